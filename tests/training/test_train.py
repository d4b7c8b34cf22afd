"""Training, small: recordings in, weights out that the runner can load."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audio_score_server.language.lexicon import pronounce
from audio_score_server.runners.phones.network import PhoneNetwork
from tests.process.server import ROOT
from training.corpus import read_corpus, split_by_speaker
from training.sentences import sentences
from training.train import train


def _corpus(folder: Path) -> Path:
    """The demo's right readings as a corpus."""
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "speaker", "text", "phones"))
        for text_file in sorted((ROOT / "video_clip").glob("*.txt")):
            text = text_file.read_text().strip()
            phones = " ".join(phone for word in pronounce(text) for phone in word.phones)
            for recording in (ROOT / "audio_clip").glob(f"{text_file.stem}_[ro][it]*"):
                speaker = recording.stem.rpartition("_")[2]
                writer.writerow((recording, speaker, text, phones))
    return folder


def test_an_epoch_of_training_gives_weights_that_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = read_corpus(_corpus(tmp_path))
    output = tmp_path / "weights.safetensors"
    train(recordings[:4], recordings[4:6], output, epochs=1, seed=1)

    assert "epoch 1/1" in capsys.readouterr().out
    weights = load_file(output)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    PhoneNetwork().load_state_dict({name: tensor.float() for name, tensor in weights.items()})


def test_no_speaker_is_on_both_sides_of_the_split(tmp_path: Path) -> None:
    training, held_out = split_by_speaker(read_corpus(_corpus(tmp_path)), held_out_every=3)
    assert training
    assert held_out
    assert not {r.speaker for r in training} & {r.speaker for r in held_out}


def test_sentences_are_different_and_repeatable() -> None:
    made = sentences(300, seed=3)
    assert len(set(made)) == 300
    assert made == sentences(300, seed=3)
    phones = {phone for text in made for word in pronounce(text) for phone in word.phones}
    assert len(phones) == 39
