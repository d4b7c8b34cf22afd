"""``python -m audio_score_server``: the same as ``audio-score``."""

import sys

from audio_score_server.cli import command

if __name__ == "__main__":
    sys.exit(command())
