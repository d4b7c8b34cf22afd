from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.language.phones import PHONES
from audio_score_server.runners.phones.frontend import MEL_BINS
from audio_score_server.runners.phones.network import PhoneNetwork, output_length


@pytest.fixture(scope="module")
def network() -> PhoneNetwork:
    """Random weights, larger than at the start of training so that mistakes show."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = PhoneNetwork().eval()
        for parameter in untrained.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return untrained


def _mel(frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, MEL_BINS, generator=generator)


@torch.inference_mode()
def _alone(network: PhoneNetwork, mel: torch.Tensor) -> torch.Tensor:
    rows: torch.Tensor = network(mel[None], torch.tensor([len(mel)]))[0]
    return rows


@torch.inference_mode()
def _batched(network: PhoneNetwork, mels: list[torch.Tensor]) -> list[torch.Tensor]:
    lengths = torch.tensor([len(mel) for mel in mels])
    padded = torch.nn.utils.rnn.pad_sequence(mels, batch_first=True)
    rows = network(padded, lengths)
    counts = output_length(lengths).tolist()
    return [row[:count] for row, count in zip(rows, counts, strict=True)]


@pytest.mark.parametrize("lengths", [(1, 2, 3), (21, 60, 37), (64, 64), (1, 80)])
def test_a_recording_is_heard_the_same_in_any_batch(
    network: PhoneNetwork, lengths: tuple[int, ...]
) -> None:
    mels = [_mel(length, seed) for seed, length in enumerate(lengths)]
    for mel, rows in zip(mels, _batched(network, mels), strict=True):
        torch.testing.assert_close(rows, _alone(network, mel), atol=1e-5, rtol=1e-5)


def test_what_a_neighbour_says_does_not_leak(network: PhoneNetwork) -> None:
    mel = _mel(40)
    quiet = _batched(network, [mel, torch.zeros(120, MEL_BINS)])[0]
    loud = _batched(network, [mel, 100 * _mel(120, 1)])[0]
    torch.testing.assert_close(quiet, loud, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 9, 10, 101])
def test_the_length_told_is_the_length_given(network: PhoneNetwork, frames: int) -> None:
    rows = _alone(network, _mel(frames))
    assert len(rows) == output_length(torch.tensor([frames])).item() == (frames + 1) // 2


@settings(max_examples=20)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_lengths_are_halved_upwards(lengths: list[int]) -> None:
    assert output_length(torch.tensor(lengths)).tolist() == [-(-length // 2) for length in lengths]


def test_the_outputs_are_log_probabilities_of_blank_and_phones(network: PhoneNetwork) -> None:
    rows = _alone(network, _mel(50))
    assert rows.shape == (25, 1 + len(PHONES))
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.exp().sum(dim=1), torch.ones(25), atol=1e-5, rtol=0)


def test_silence_is_heard_without_nonsense(network: PhoneNetwork) -> None:
    assert _alone(network, torch.zeros(60, MEL_BINS)).isfinite().all()


def test_a_sound_reaches_no_further_than_the_network_looks(network: PhoneNetwork) -> None:
    mel = _mel(400)
    changed = mel.clone()
    changed[200] += 10.0
    difference = (_alone(network, mel) - _alone(network, changed)).abs().amax(dim=1)
    heard = difference.nonzero().flatten()
    assert difference[100] > 1e-3
    assert heard.min() >= 100 - 4 * 9 - 1
    assert heard.max() <= 100 + 4 * 9 + 1


def test_training_drops_branches_and_evaluation_none() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropping = PhoneNetwork(drop_rate=0.9)
        mel, length = _mel(30)[None], torch.tensor([30])
        with torch.no_grad():
            dropping.train()
            assert not torch.equal(dropping(mel, length), dropping(mel, length))
            dropping.eval()
            assert torch.equal(dropping(mel, length), dropping(mel, length))
