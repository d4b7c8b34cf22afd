"""What keeps the gateway from starting or from going on."""

from __future__ import annotations

from typing import Final

from audio_score_server.errors import AudioScoreError

EXIT_FAILED: Final = 1


class GatewayError(AudioScoreError):
    """The gateway cannot start or go on; the text names the cause and the remedy."""

    def __init__(self, text: str, exit_code: int = EXIT_FAILED) -> None:
        """``exit_code``: of the supervisor."""
        super().__init__(text)
        self.exit_code = exit_code
