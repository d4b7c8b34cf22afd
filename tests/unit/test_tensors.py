from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from audio_score_server.domain import EncoderFeatures, Reference
from audio_score_server.references.tensors import as_kept, reference_of, tensors_of
from tests.support import ALIGNED, make_reference, same_reference


def _unrounded(seed: int, frames: int = 20) -> Reference:
    """A reference that half precision does not hold."""
    chance = np.random.default_rng(seed)
    reference = make_reference(seed)
    values = chance.standard_normal((frames, 8)).astype(np.float32)
    speech = chance.random(frames).astype(np.float32)
    return replace(reference, features=EncoderFeatures(values, speech, 50.0))


def _read_again(reference: Reference) -> Reference:
    """Through a file's bytes."""
    tensors = load(save(tensors_of(reference)))
    features, contours = reference.features, reference.contours
    return reference_of(tensors, reference.transcript, features.frame_rate_hz, contours.step_s)


@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_what_is_kept_is_what_is_read_and_stays_so(seed: int, frames: int) -> None:
    reference = _unrounded(seed, frames)
    kept = as_kept(reference)
    assert same_reference(kept, _read_again(reference))
    assert same_reference(kept, as_kept(kept))
    assert kept.features.frames.dtype == kept.features.speech.dtype == np.float32
    assert kept.features.frames == pytest.approx(reference.features.frames, abs=2e-3)


def test_without_an_alignment_none_is_read() -> None:
    reference = replace(make_reference(), alignment=None)
    assert same_reference(_read_again(reference), reference)
    assert as_kept(reference).alignment is None


def test_an_alignment_in_which_nothing_was_heard() -> None:
    reference = replace(make_reference(), alignment=replace(ALIGNED, heard=()))
    again = _read_again(reference)
    assert same_reference(again, reference)
    assert again.alignment is not None
    assert again.alignment.heard == ()


def test_the_alignment_keeps_its_types() -> None:
    alignment = as_kept(make_reference()).alignment
    assert alignment is not None
    assert alignment.present.dtype == np.bool_
    assert alignment.evidence.dtype == np.float32
    assert [each.phone for each in alignment.heard] == ["AH", "B"]


def test_a_missing_tensor_is_an_error() -> None:
    reference = make_reference()
    for name in ("frames", "speech", "pitch_hz"):
        tensors = tensors_of(reference)
        del tensors[name]
        with pytest.raises(KeyError, match=name):
            reference_of(tensors, reference.transcript, 50.0, 0.01)
