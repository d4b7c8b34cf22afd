"""The numbers of an answer, by name."""

from __future__ import annotations

from statistics import fmean
from typing import Final

from audio_score_server.pipelines.protocol import Judgement
from audio_score_server.scoring.detail import Detail

MAIN: Final = ("sim_score", "audio_sim_score", "text_sim_score")


def components(judgement: Judgement) -> dict[str, float]:
    """The three numbers of every answer, then those of its detail that may tell something.

    What is inside of something is called by both names, with a dot between them. Of words the mean
    of their scores is told, of verdicts how many they are. What nobody knows is left out.
    """
    score, reasons = judgement.score, judgement.explanation
    main = dict(zip(MAIN, (score.total, score.audio, score.text), strict=True))
    return main if reasons is None else main | _told(reasons.detail)


def _told(detail: Detail) -> dict[str, float]:
    words, delivery, timing = detail.words, detail.delivery, detail.timing
    told = {
        "words.score": fmean(word.score for word in words) if words else None,
        "delivery.overall": delivery.overall if delivery else None,
        "delivery.rhythm": delivery.rhythm if delivery else None,
        "delivery.pace": delivery.pace if delivery else None,
        "timing.duration_ratio": timing.duration_ratio if timing else None,
        "melody.pitch": detail.melody.pitch,
        "melody.level": detail.melody.level,
        "verdicts": float(len(detail.verdicts)),
    }
    return {name: number for name, number in told.items() if number is not None}
