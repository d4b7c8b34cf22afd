"""The phone encoder on batches that are larger than what goes through it at once."""

from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.domain import Transcript, Utterance, Waveform
from audio_score_server.runners.phones.runner import PhonesRunner
from audio_score_server.settings import PhonesSettings, Settings
from tests.checkpoints import babble

_RATE = 16_000
_LENGTHS_S = (25.0, 3.0, 28.0, 1.0, 20.0)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_long_recordings_are_heard_alike_alone_and_together(count: int) -> None:
    runner = PhonesRunner(
        Settings(models=(PhonesSettings(key="phones", type="phones"),), device="cpu")
    )
    utterances = [
        Utterance(
            runner.prepare(Waveform(babble(seed, seconds), _RATE)), Transcript("AH B", "phone")
        )
        for seed, seconds in enumerate(_LENGTHS_S[:count])
    ]
    together = runner.run(utterances)
    assert len(together) == count
    for utterance, encoding in zip(utterances, together, strict=True):
        (alone,) = runner.run([utterance])
        assert alone.transcript == encoding.transcript
        np.testing.assert_allclose(
            alone.features.frames, encoding.features.frames, atol=1e-4, rtol=0
        )
