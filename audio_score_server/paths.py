"""Addresses that the server and the gateway before it must agree on."""

from __future__ import annotations

from typing import Final

SCORE_PATHS: Final = ("/score", "/score/")
"""Asked for a score, by ``POST``."""
