"""The numbers of an answer, by name."""

from __future__ import annotations

from statistics import fmean
from typing import Final

from audio_score_server.pipelines.protocol import ScoreResult
from audio_score_server.scoring.detail import Detail

MAIN: Final = ("sim_score", "audio_sim_score", "text_sim_score")


def components(result: ScoreResult) -> dict[str, float]:
    """The three numbers of every answer, then those of its detail that may tell something.

    What is inside of something is called by both names, with a dot between them. Of words the mean
    of their scores is told, of warnings how many they are. What nobody knows is left out.
    """
    score, analysis = result.score, result.analysis
    main = dict(zip(MAIN, (score.total, score.audio, score.text), strict=True))
    return main if analysis is None else main | _analysis_components(analysis.detail)


def _analysis_components(detail: Detail) -> dict[str, float]:
    words, fluency, timing = detail.words, detail.fluency, detail.timing
    found = {
        "words.score": fmean(word.score for word in words) if words else None,
        "fluency.overall": fluency.overall if fluency else None,
        "fluency.rhythm": fluency.rhythm if fluency else None,
        "fluency.speech_rate": fluency.speech_rate if fluency else None,
        "timing.duration_ratio": timing.duration_ratio if timing else None,
        "prosody.pitch_correlation": detail.prosody.pitch_correlation,
        "prosody.energy_correlation": detail.prosody.energy_correlation,
        "warnings": float(len(detail.warnings)),
    }
    return {name: number for name, number in found.items() if number is not None}
