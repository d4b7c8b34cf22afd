#!/usr/bin/env python3
"""Start several servers behind Nginx: ``python run_server_with_gate.py --help``."""

import sys
from pathlib import Path

from audio_score_server.cli.gate import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).with_name("config.json")))
