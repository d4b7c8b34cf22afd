"""The command lines: one server process, and what prepares for it."""

from audio_score_server.cli.command import command
from audio_score_server.cli.serve import FLAGS, main

__all__ = ["FLAGS", "command", "main"]
