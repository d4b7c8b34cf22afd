"""What of an answer is judged."""

from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.domain import Contours, Score
from audio_score_server.evaluation.components import MAIN, components
from audio_score_server.pipelines.protocol import Explanation, Judgement
from audio_score_server.scoring.delivery import Delivery
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.melody import Melody
from audio_score_server.scoring.words import WordDetail


def _word(score: float) -> WordDetail:
    return WordDetail("one", "said", score, None, None, None, ())


def test_a_score_has_three_numbers() -> None:
    found = components(Judgement(Score(0.5, 1.0)))
    assert list(found) == ["sim_score", "audio_sim_score", "text_sim_score"]
    assert found["audio_sim_score"] == 0.5
    assert found["text_sim_score"] == 1.0


def test_numbers_of_its_detail_are_called_by_both_names() -> None:
    detail = Detail(
        expected="one one",
        heard="one",
        words=(_word(0.2), _word(0.6)),
        timing=None,
        delivery=Delivery(0.1, 0.2, 0.3, 0.4),
        melody=Melody(None, 0.5),
        verdicts=("noisy",),
        score_version="1",
    )
    nothing = np.zeros(0, np.float32)
    contours = Contours(0.01, nothing, nothing, nothing, nothing)
    found = components(Judgement(Score(0.5, 1.0), Explanation(detail, contours, contours)))
    assert {name: value for name, value in found.items() if name not in MAIN} == {
        "words.score": pytest.approx(0.4),
        "delivery.overall": 0.4,
        "delivery.rhythm": 0.2,
        "delivery.pace": 0.3,
        "melody.level": 0.5,
        "verdicts": 1.0,
    }
