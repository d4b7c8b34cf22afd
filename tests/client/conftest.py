"""Property tests that find the same on every run."""

from __future__ import annotations

import tests.unit.conftest  # noqa: F401 - sets hypothesis up
