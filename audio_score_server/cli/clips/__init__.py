"""``audio-score clips``: a module for each command."""

from typing import Final

from audio_score_server.cli.clips.adding import ADD
from audio_score_server.cli.clips.checking import CHECK
from audio_score_server.cli.clips.drafts import TRANSCRIBE
from audio_score_server.cli.clips.listing import LIST
from audio_score_server.cli.clips.removing import REMOVE

DESCRIPTION: Final = "List, check and change the clips of a folder, or of a running server."
COMMANDS: Final = (LIST, ADD, REMOVE, CHECK, TRANSCRIBE)

__all__ = ["COMMANDS", "DESCRIPTION"]
