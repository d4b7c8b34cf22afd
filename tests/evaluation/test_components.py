"""What of an answer is judged."""

from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.domain import Contours, Score
from audio_score_server.evaluation.components import MAIN, components
from audio_score_server.pipelines.protocol import Analysis, ScoreResult
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.fluency import Fluency
from audio_score_server.scoring.prosody import Prosody
from audio_score_server.scoring.words import WordDetail


def _word(score: float) -> WordDetail:
    return WordDetail("one", "correct", score)


def test_a_score_has_three_numbers() -> None:
    found = components(ScoreResult(Score(0.5, 1.0)))
    assert list(found) == ["sim_score", "audio_sim_score", "text_sim_score"]
    assert found["audio_sim_score"] == 0.5
    assert found["text_sim_score"] == 1.0


def test_numbers_of_its_detail_are_called_by_both_names() -> None:
    detail = Detail(
        expected="one one",
        heard=("one",),
        words=(_word(0.2), _word(0.6)),
        timing=None,
        fluency=Fluency(0.1, 0.2, 0.3, 0.4),
        prosody=Prosody(None, 0.5),
        warnings=("noisy",),
        score_version="1",
    )
    nothing = np.zeros(0, np.float32)
    contours = Contours(0.01, nothing, nothing, nothing, nothing)
    found = components(ScoreResult(Score(0.5, 1.0), Analysis(detail, contours, contours)))
    assert {name: value for name, value in found.items() if name not in MAIN} == {
        "words.score": pytest.approx(0.4),
        "fluency.overall": 0.4,
        "fluency.rhythm": 0.2,
        "fluency.speech_rate": 0.3,
        "prosody.energy_correlation": 0.5,
        "warnings": 1.0,
    }
