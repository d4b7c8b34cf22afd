#!/usr/bin/env python3
"""Start one server: ``python run_server.py --help``."""

import sys
from pathlib import Path

from audio_score_server.cli import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).with_name("config.json")))
