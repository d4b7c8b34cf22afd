"""Whisper checkpoints from their folder to encodings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.runners.whisper.checkpoint import load_whisper
from audio_score_server.runners.whisper.drafting import covered_by
from audio_score_server.runners.whisper.transcriber import Task
from audio_score_server.runners.whisper.vocabulary import joined
from audio_score_server.settings import Settings, WhisperSettings
from tests.checkpoints import LANGUAGES, RATE, WINDOW_S, babble, make_whisper

CPU: Final = torch.device("cpu")
MOST: Final = 60
"""Longest transcript of a window; few are longer by themselves."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint for three languages and one for English, which say letters; they stay."""
    folder = tmp_path_factory.mktemp("checkpoints")
    # The first whose recordings are not all taken for one language.
    make_whisper(folder / "whisper", letters=True, seed=1)
    make_whisper(folder / "english", letters=True, languages=())
    make_whisper(folder / "many-bands", letters=True, bands=128)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The first of them, to be spoilt."""
    return Path(shutil.copytree(made / "whisper", tmp_path / "whisper"))


def _load(folder: Path, most_rows: int = 8, **changes: Any) -> Runner[Any]:
    known = {"key": "whisper", "type": "whisper", "dtype": "float32", "max_new_tokens": MOST}
    model = WhisperSettings.model_validate({**known, "model_id": str(folder), **changes})
    settings = Settings(models=(model,), device="cpu", max_batch_size=most_rows)
    return Loader(settings).load(model)


@pytest.fixture(scope="module")
def runner(made: Path) -> Runner[Any]:
    """The checkpoint for three languages, in whatever language is spoken."""
    return _load(made / "whisper")


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Recordings within a window."""
    lengths = np.random.default_rng(0).uniform(0.3, WINDOW_S, 12)
    return [Waveform(babble(seed, length), RATE) for seed, length in enumerate(lengths)]


def _run(
    runner: Runner[Any], waveforms: list[Waveform], expected: Transcript | None = None
) -> list[Encoding]:
    return runner.run([Utterance(runner.prepare(waveform), expected) for waveform in waveforms])


def _texts(encodings: list[Encoding]) -> list[str]:
    return [encoding.transcript.text for encoding in encodings]


class _Theirs:
    """The same checkpoint in transformers."""

    def __init__(self, folder: Path, waveforms: list[Waveform]) -> None:
        extractor: Any = WhisperFeatureExtractor.from_pretrained(folder)
        samples = [waveform.samples for waveform in waveforms]
        self.mel = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
        self.model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    @torch.inference_mode()
    def texts(self, **spoken: str) -> list[str]:
        tokens = self.model.generate(self.mel, num_beams=1, max_new_tokens=MOST, **spoken)
        return [
            text.strip() for text in self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        ]

    @torch.inference_mode()
    def languages(self) -> list[str]:
        """As each recording's is found out."""
        tokens = self.model.detect_language(self.mel)
        return [code.strip("<|>") for code in self._tokenizer.convert_ids_to_tokens(tokens)]


def test_transcripts_are_in_the_language_that_is_set(made: Path, waveforms: list[Waveform]) -> None:
    theirs = _Theirs(made / "whisper", waveforms)
    by_language = {}
    for language in LANGUAGES:
        encodings = _run(_load(made / "whisper", language=language), waveforms)
        assert {encoding.transcript.language for encoding in encodings} == {language}
        by_language[language] = _texts(encodings)
        assert by_language[language] == theirs.texts(language=language, task="transcribe")
    assert len({tuple(texts) for texts in by_language.values()}) == len(LANGUAGES)


def test_the_language_is_found_out_and_kept(
    made: Path, runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    theirs = _Theirs(made / "whisper", waveforms)
    encodings = _run(runner, waveforms)
    languages = [encoding.transcript.language for encoding in encodings]
    assert languages == theirs.languages()
    assert len(set(languages)) > 1
    for language in set(languages):
        texts = theirs.texts(language=str(language), task="transcribe")
        for encoding, text in zip(encodings, texts, strict=True):
            if encoding.transcript.language == language:
                assert encoding.transcript.text == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recording_is_heard_in_the_language_of_its_reference(
    made: Path, runner: Runner[Any], waveforms: list[Waveform], language: str
) -> None:
    encodings = _run(runner, waveforms, Transcript("a b", "word", language))
    assert {encoding.transcript.language for encoding in encodings} == {language}
    theirs = _Theirs(made / "whisper", waveforms)
    assert _texts(encodings) == theirs.texts(language=language, task="transcribe")


def test_known_and_unknown_languages_go_together(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    expected = [Transcript("a b", "word", language) for language in (None, "zh", "de", None)]
    utterances = [
        Utterance(runner.prepare(waveform), each)
        for waveform, each in zip(waveforms, expected, strict=False)
    ]
    alone = [runner.run([utterance])[0] for utterance in utterances]
    together = [encoding.transcript for encoding in runner.run(utterances)]
    assert together == [encoding.transcript for encoding in alone]
    assert [transcript.language for transcript in together[1:3]] == ["zh", "de"]


def test_what_is_expected_is_in_the_language_that_is_set(made: Path, runner: Runner[Any]) -> None:
    assert runner.expected("Hello!") == Transcript("Hello!", "word", None)
    german = _load(made / "whisper", language="de")
    assert german.expected("Hallo!") == Transcript("Hallo!", "word", "de")


def test_a_checkpoint_for_english_hears_english(made: Path, waveforms: list[Waveform]) -> None:
    encodings = _run(_load(made / "english"), waveforms)
    assert _texts(encodings) == _Theirs(made / "english", waveforms).texts()
    assert {encoding.transcript.language for encoding in encodings} == {"en"}
    retry = _run(_load(made / "english", language="en"), waveforms)
    assert _texts(retry) == _texts(encodings)


def test_a_checkpoint_for_english_objects_to_other_languages(
    made: Path, runner: Runner[Any]
) -> None:
    english = _load(made / "english")
    texts = ["Der Hund ist im Garten und die Katze liegt auf dem warmen alten Dach."]
    assert (
        english.compatibility_warning(
            ["The dog is in the garden, and the cat is on the warm roof."]
        )
        is None
    )
    assert "English only" in str(english.compatibility_warning(texts))
    assert runner.compatibility_warning(texts) is None


@pytest.mark.parametrize(("name", "known"), [("whisper", "de, en, zh"), ("english", "en")])
def test_a_language_that_the_checkpoint_does_not_know_is_refused(
    made: Path, name: str, known: str
) -> None:
    with pytest.raises(ModelLoadError, match=f"'fr' is not one of the checkpoint's: {known}$"):
        _load(made / name, language="fr")


def test_what_is_expected_changes_no_transcript(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    for waveform, plain in zip(waveforms, _run(runner, waveforms), strict=True):
        for text in (plain.transcript.text, "q w e r t y", plain.transcript.text[:-4] + " x y z"):
            expected = Transcript(text, "word", plain.transcript.language)
            (encoding,) = _run(runner, [waveform], expected)
            assert encoding.transcript == plain.transcript
            assert encoding.evidence is not None
            assert encoding.evidence.shape == (len(text.split()),)
            # Also of what was left unsaid, as far as a transcript may go.
            assert (encoding.evidence[: MOST - 1] > 0).all()


@torch.inference_mode()
def test_evidence_is_the_probability_of_each_expected_word(
    made: Path, waveforms: list[Waveform]
) -> None:
    theirs = _Theirs(made / "whisper", waveforms)
    german = _load(made / "whisper", language="de")
    text = "That thing, hm?"
    tokenizer: Any = AutoTokenizer.from_pretrained(made / "whisper")
    prompt = tokenizer.convert_tokens_to_ids(
        ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    )
    pieces = [tokenizer.encode(piece) for piece in (" That", " thing", ",", " hm", "?")]
    draft = [token for piece in pieces for token in piece]
    tokens = torch.tensor([[*prompt, *draft]] * len(waveforms))
    scores = theirs.model(theirs.mel, decoder_input_ids=tokens).logits
    each = scores.log_softmax(dim=-1)[:, range(3, 3 + len(draft)), draft]
    sizes = [len(piece) for piece in pieces]
    by_piece = [part.sum(dim=1).exp() for part in each.split(sizes, dim=1)]
    likely = torch.stack([by_piece[0], by_piece[1], by_piece[3]], dim=1)
    for encoding, shares in zip(
        _run(german, waveforms, german.expected(text)), likely, strict=True
    ):
        assert encoding.evidence is not None
        assert encoding.evidence.dtype == np.float32
        np.testing.assert_allclose(encoding.evidence, shares, atol=1e-4, rtol=1e-3)


def _long(seed: int) -> Waveform:
    """Three sentences with pauses between them, longer than two windows."""
    pause = np.zeros(RATE // 2, np.float32)
    pieces = [babble(seed + piece, 2.1) for piece in range(3)]
    return Waveform(np.concatenate([pieces[0], pause, pieces[1], pause, pieces[2]]), RATE)


def _parts(runner: Runner[Any], waveform: Waveform) -> list[Any]:
    """Each part of a recording as a recording of its own."""
    return [(part,) for part in runner.prepare(waveform)]


@pytest.mark.parametrize("seed", range(0, 30, 3))
def test_a_long_recording_is_what_its_parts_are(made: Path, seed: int) -> None:
    runner = _load(made / "whisper", language="en")
    waveform = _long(seed)
    parts = _parts(runner, waveform)
    assert len(parts) == 3
    alone = runner.run([Utterance(part, None) for part in parts])
    (whole,) = _run(runner, [waveform])
    assert whole.transcript.text == joined(_texts(alone))
    assert len(whole.transcript.text.split()) == sum(len(text.split()) for text in _texts(alone))
    frames = np.concatenate([encoding.features.frames for encoding in alone])
    np.testing.assert_allclose(whole.features.frames, frames, atol=1e-5)
    speech = np.concatenate([encoding.features.speech for encoding in alone])
    np.testing.assert_array_equal(whole.features.speech, speech)
    assert len(frames) == len(speech) == -(-len(waveform.samples) // 320)


def test_the_evidence_of_a_word_is_from_the_part_that_says_it(made: Path) -> None:
    runner = _load(made / "whisper", language="en")
    compared = 0
    for seed in range(0, 45, 3):
        parts = _parts(runner, _long(seed))
        said = [text.split() for text in _texts(runner.run([Utterance(p, None) for p in parts]))]
        if any(len(words) == MOST for words in said):
            # Of a part that is cut off by the limit, the draft holds one word less than is said.
            continue
        whole = [word for words in said for word in words]
        evidence: list[float] = []
        for part, words in zip(parts, said, strict=True):
            rest = runner.expected(" ".join(whole[len(evidence) :]))
            (own,) = runner.run([Utterance(part, rest)])
            assert own.evidence is not None
            evidence += own.evidence[: len(words)].tolist()
        (together,) = _run(runner, [_long(seed)], runner.expected(" ".join(whole)))
        assert together.evidence is not None
        np.testing.assert_allclose(together.evidence, evidence, atol=1e-4, rtol=1e-3)
        compared += 1
    assert compared >= 5


def test_each_part_is_expected_to_say_no_more_than_it_may(made: Path) -> None:
    most = 10
    runner = _load(made / "whisper", language="en", max_new_tokens=most)
    parts = _parts(runner, _long(0))
    said = [text.split() for text in _texts(runner.run([Utterance(p, None) for p in parts]))]
    assert [len(words) for words in said] == [most] * 3
    whole = [word for words in said for word in words]
    evidence: list[float] = []
    for part, words in zip(parts, said, strict=True):
        rest = whole[len(evidence) :]
        (own,) = runner.run([Utterance(part, runner.expected(" ".join(rest)))])
        assert own.evidence is not None
        draft = [ord(letter) for letter in rest[: most - 1]]
        covered = covered_by(draft, [ord(letter) for letter in words])
        evidence += own.evidence[:covered].tolist()
    evidence += [0.0] * (len(whole) - len(evidence))
    assert evidence[-1] == 0.0
    (together,) = _run(runner, [_long(0)], runner.expected(" ".join(whole)))
    assert together.evidence is not None
    np.testing.assert_allclose(together.evidence, evidence, atol=1e-4, rtol=1e-3)


@torch.inference_mode()
def test_a_right_text_costs_one_pass_for_each_part(made: Path, waveforms: list[Waveform]) -> None:
    checkpoint = load_whisper(made / "whisper", made / "whisper", CPU, Precision(torch.float32), 8)
    windowed_encoder = checkpoint.windowed_encoder(WINDOW_S)
    recordings = [
        windowed_encoder.prepare(waveform) for waveform in (*waveforms, _long(0), _long(6))
    ]
    heard = windowed_encoder.encode(recordings, 8)
    plain = checkpoint.transcriber.transcribe([Task(parts, "en", "") for parts in heard], MOST)
    drafted = checkpoint.transcriber.transcribe(
        [Task(parts, "en", each.text) for parts, each in zip(heard, plain, strict=True)], MOST
    )
    for parts, before, after in zip(heard, plain, drafted, strict=True):
        assert after.text == before.text
        assert after.passes == len(parts)
        assert before.passes > 3 * len(parts)


def test_whatever_is_expected_of_a_long_recording_its_transcript_is_the_same(
    made: Path,
) -> None:
    runner = _load(made / "whisper", language="en")
    for seed in range(6):
        (plain,) = _run(runner, [_long(seed)])
        for text in (plain.transcript.text, "a b c d", "z " * 150):
            (encoding,) = _run(runner, [_long(seed)], runner.expected(text))
            assert encoding.transcript == plain.transcript


def test_silence_between_two_sentences_is_not_transcribed(made: Path) -> None:
    runner = _load(made / "whisper", language="en")
    first, second = babble(1, 2.0), babble(2, 2.0)
    silence = np.zeros(4 * WINDOW_S * RATE, np.float32)
    waveform = Waveform(np.concatenate([first, silence, second]), RATE)
    parts = runner.run([Utterance(part, None) for part in _parts(runner, waveform)])
    spoken = [text for text in _texts(parts) if text]
    assert 2 <= len(spoken) < len(parts)
    assert _texts(_run(runner, [waveform])) == [joined(spoken)]


def test_silence_has_no_transcript_and_no_evidence(runner: Runner[Any]) -> None:
    silence = Waveform(np.zeros(2 * RATE, np.float32), RATE)
    (encoding,) = _run(runner, [silence], runner.expected("a b c"))
    assert encoding.transcript == Transcript("", "word", None)
    assert encoding.evidence is not None
    assert encoding.evidence.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("window_s", [1.14, 2.0, 2.3, 2.9])
def test_windows_of_any_length_have_all_their_frames(made: Path, window_s: float) -> None:
    runner = _load(made / "whisper", encoder_window_s=window_s)
    for waveform in (_long(0), Waveform(babble(0, window_s), RATE)):
        (encoding,) = _run(runner, [waveform])
        frames = -(-len(waveform.samples) // 320)
        assert encoding.features.frames.shape == (frames, 48)
        assert encoding.features.speech.shape == (frames,)


def test_more_recordings_than_rows_are_written_in_turns(
    made: Path, runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    recordings = [*waveforms[:5], _long(0), _long(3)]
    expected = Transcript("a b c", "word", None)
    narrow = _run(_load(made / "whisper", most_rows=2), recordings, expected)
    for left, right in zip(narrow, _run(runner, recordings, expected), strict=True):
        assert left.transcript == right.transcript
        assert left.evidence is not None
        assert right.evidence is not None
        np.testing.assert_allclose(left.evidence, right.evidence, atol=1e-4)


@pytest.fixture
def three_threads() -> Iterator[None]:
    """PyTorch has three threads for what is loaded meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_recordings_that_are_shared_among_threads_are_heard_alike(
    made: Path, runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    recordings = [*waveforms[:4], _long(0), _long(3), waveforms[5]]
    expected = Transcript("a b c", "word", None)
    shared = _run(_load(made / "whisper"), recordings, expected)
    for left, right in zip(shared, _run(runner, recordings, expected), strict=True):
        assert left.transcript == right.transcript
        assert left.evidence is not None
        assert right.evidence is not None
        np.testing.assert_allclose(left.evidence, right.evidence, atol=1e-4)
        np.testing.assert_allclose(left.features.frames, right.features.frames, atol=1e-4)


def test_recordings_of_other_rates_are_heard(runner: Runner[Any]) -> None:
    waveform = Waveform(babble(0, 2.0)[::2].copy(), RATE // 2)
    (encoding,) = _run(runner, [waveform])
    assert len(encoding.features.frames) == 100
    assert encoding.transcript.text


def test_bfloat16_hears_nearly_the_same(
    made: Path, runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    coarse = _load(made / "whisper", dtype="bfloat16")
    assert coarse.info.dtype == "bfloat16"
    assert 2 * coarse.info.size == runner.info.size
    expected = Transcript("a b c", "word", "en")
    for left, right in zip(
        _run(coarse, waveforms, expected), _run(runner, waveforms, expected), strict=True
    ):
        own, other = (
            (each.features.frames - each.features.frames.mean(axis=0)).ravel()
            for each in (left, right)
        )
        assert left.features.frames.dtype == np.float32
        assert own @ other > 0.99 * np.linalg.norm(own) * np.linalg.norm(other)
        assert left.evidence is not None
        assert ((left.evidence >= 0) & (left.evidence <= 1)).all()


def test_fingerprints_change_with_what_changes_encodings(made: Path, folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.encoder.layers.1.fc1.bias"][3] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    changes: list[dict[str, Any]] = [
        {},
        {"folder": folder},
        {"layer": 2},
        {"language": "en"},
        {"encoder_window_s": 2.0},
        {"max_new_tokens": 20},
        {"dtype": "bfloat16"},
    ]
    known = {"folder": made / "whisper"}
    fingerprints = [_load(**(known | each)).fingerprint for each in changes]
    assert len(set(fingerprints)) == len(fingerprints)
    assert _load(made / "whisper", key="other", most_rows=2).fingerprint == fingerprints[0]


def _change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_layer_that_is_not_there_is_refused(made: Path) -> None:
    with pytest.raises(ModelLoadError, match="layer 4 was asked for; the encoder has 3"):
        _load(made / "whisper", layer=4)


def test_a_processor_of_other_mel_bands_is_refused(made: Path) -> None:
    with pytest.raises(ModelLoadError, match="takes 80 mel bands, its processor makes 128"):
        _load(made / "whisper", processor_id=str(made / "many-bands"))


@pytest.mark.parametrize("changes", [{"encoder_layers": 4}, {"d_model": 64}])
def test_weights_unlike_their_configuration_are_refused(
    folder: Path, changes: dict[str, int]
) -> None:
    _change(folder / "config.json", **changes)
    with pytest.raises(ModelLoadError, match="missing or of another shape") as rejection:
        _load(folder)
    assert "\n" not in str(rejection.value)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"d_model": None}, "does not tell the sizes"),
        ({"encoder_attention_heads": 5}, "48 dimensions cannot be shared among 5 heads"),
        ({"decoder_attention_heads": 0}, "48 dimensions cannot be shared among 0 heads"),
    ],
)
def test_a_configuration_of_no_model_is_refused(
    folder: Path, changes: dict[str, Any], cause: str
) -> None:
    _change(folder / "config.json", **changes)
    with pytest.raises(ModelLoadError, match=cause):
        _load(folder)


def test_loading_imports_no_compiler(made: Path) -> None:
    """PyTorch's takes 100 MB, and is nothing that a server uses."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from audio_score_server.runners.precision import Precision\n"
        "from audio_score_server.runners.whisper.checkpoint import load_whisper\n"
        "folder = Path(sys.argv[1])\n"
        "load_whisper(folder, folder, torch.device('cpu'), Precision(torch.float32), 8)\n"
        "print({'torch._dynamo', 'triton', 'transformers.modeling_utils'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", program, str(made / "whisper")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_a_checkpoint_that_does_not_tell_its_prompt_is_refused(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    with pytest.raises(ModelLoadError, match=r"generation_config\.json does not say"):
        _load(folder)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_damaged_files_are_told_in_one_line(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"nonsense")
    with pytest.raises(ModelLoadError) as rejection:
        _load(folder)
    assert "\n" not in str(rejection.value)
