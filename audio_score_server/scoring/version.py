"""The version of the formulas by which recordings are scored."""

from typing import Final

SCORE_VERSION: Final = "4"
"""Changes whenever the same recording, clip and model could be given another number than before.
Nothing of a cache entry depends on it: references are kept as they were heard."""
