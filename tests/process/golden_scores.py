"""The demo's scores as they are known to be; run as a module, it writes them down anew.

    python -m tests.process.golden_scores

Whoever changes scores on purpose raises ``SCORE_VERSION`` and runs it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

from audio_score_server.scoring.version import SCORE_VERSION
from tests.process.scorer import CLIPS, Scorer, demo_scorer, recordings_of

GOLDEN: Final = Path(__file__).with_name("golden_scores.json")


def demo_scores(scorer: Scorer) -> dict[str, tuple[float, float]]:
    """Audio and text score of every recording of the demo, by its name."""
    found = {}
    for clip in CLIPS:
        for path in recordings_of(clip, "*"):
            score = scorer.score(clip, path.read_bytes())
            found[path.name] = (round(score.audio, 6), round(score.text, 6))
    return found


def known() -> dict[str, Any]:
    """What was written down: ``score_version`` and ``scores``."""
    found: dict[str, Any] = json.loads(GOLDEN.read_text())
    return found


def main() -> None:
    """Write the scores down."""
    with tempfile.TemporaryDirectory() as cache, demo_scorer(Path(cache)) as scorer:
        scores = demo_scores(scorer)
    content = {"score_version": SCORE_VERSION, "scores": scores}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
