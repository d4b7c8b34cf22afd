"""A gated server that gives models up soon; run as a module, it is that server."""

from __future__ import annotations

import sys

from audio_score_server.pipelines import canary
from tests.process import gated

if __name__ == "__main__":
    canary._GIVEN_UP_S = 0.2  # type: ignore[misc]
    sys.exit(gated._serve(sys.argv[1:]))
