"""Loading a Whisper checkpoint, and sharing it between the models that name it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor
from transformers.utils import logging

from audio_score_server.checkpoints.required import (
    EXTRACTORS,
    FAST_TOKENIZER,
    is_converted,
    names_in,
)
from audio_score_server.domain import FloatArray, ModelInfo
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.device import place
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.priority_lock import PriorityLock
from audio_score_server.runners.whisper.cached_decoder import CachedDecoder
from audio_score_server.runners.whisper.converted import read_converted
from audio_score_server.runners.whisper.cross_attention import choose_cross_attention
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.encoder import AudioEncoder, Pack, unpacked
from audio_score_server.runners.whisper.frontend import LogMel
from audio_score_server.runners.whisper.modules import WhisperModules
from audio_score_server.runners.whisper.quantised import QuantisedLinear
from audio_score_server.runners.whisper.recognizer import WhisperRecognizer
from audio_score_server.runners.whisper.saved import CheckpointContent, read_saved
from audio_score_server.runners.whisper.transcriber import Transcriber
from audio_score_server.runners.whisper.vocabulary import Vocabulary
from audio_score_server.runners.whisper.windowed_encoder import POSITIONS_A_SECOND, WindowedEncoder
from audio_score_server.runners.whisper.windows import WindowSetting, window_lengths
from audio_score_server.runners.workers import Workers

_SUMMED: Final = 2**20


@dataclass(frozen=True, slots=True)
class WhisperCheckpoint:
    """A loaded checkpoint.

    Attributes:
        log_mel: its front end.
        encoder: its encoder.
        transcriber: its decoder.
        precision: of weights and passes.
        info: where it is.
        fingerprint: changes with its weights, its front end and the precision.
        lock: held during passes, which share memory on the device.
        workers: on a processor, who runs them.
    """

    log_mel: LogMel
    encoder: AudioEncoder
    transcriber: Transcriber
    precision: Precision
    info: ModelInfo
    fingerprint: str
    lock: PriorityLock
    workers: Workers | None

    def recognizer(self) -> WhisperRecognizer:
        """Writes down windows of recordings of any length."""
        decoder = self.transcriber.decoder
        hear = choose_cross_attention(decoder.head_width, self.precision.int8_decoder)
        return WhisperRecognizer(
            self.windowed_encoder("auto"),
            decoder,
            CachedDecoder(decoder, hear),
            self.transcriber.vocabulary,
            self.lock,
            self.workers,
        )

    def windowed_encoder(self, window: WindowSetting, layer: int | None = None) -> WindowedEncoder:
        """The encoder with its front end.

        Args:
            window: longest sound of one pass in seconds, or ``auto``; never more than the encoder
                has positions for.
            layer: whose output the features are; None for the last.

        Raises:
            ModelLoadError: there is no such layer.
        """
        depth = self.encoder.depth
        if layer is not None and layer > depth:
            raise ModelLoadError(f"layer {layer} was asked for; the encoder has {depth}")

        def encode(mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            last, tapped = self.encoder(mel, layer or depth)
            hidden = self.encoder.norm(last)
            return hidden, hidden if layer in (None, depth) else tapped

        windows_s = window_lengths(window, self.encoder.longest / POSITIONS_A_SECOND)
        rate = POSITIONS_A_SECOND
        return WindowedEncoder(
            self.log_mel, encode, self.precision.dtype, windows_s, rate, self.workers
        )


def load_whisper(
    folder: Path, processor: Path, device: torch.device, precision: Precision, most_rows: int
) -> WhisperCheckpoint:
    """Load a checkpoint.

    Args:
        folder: its configuration and weights.
        processor: folder of its feature extractor and tokenizer.
        device: where to.
        precision: of weights and passes.
        most_rows: transcripts that are written at once.

    Raises:
        ModelLoadError: the files do not belong together.
        Exception: whatever is found wrong with them.
    """
    # The server tells about its models itself.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = tokenizer_of(processor)
    content = read_content(folder, tokenizer)
    bands = content.sizes.bands
    filters = mel_filters(processor, bands)
    if filters.shape[1] != bands:
        raise ModelLoadError(
            f"the model takes {bands} mel bands, its processor makes "
            f"{filters.shape[1]}; name another processor_id"
        )
    model: Any = modules_of(content, precision.dtype)
    fingerprint = digest({**model.state_dict(), "mel filters": torch.from_numpy(filters)})
    vocabulary = Vocabulary(tokenizer, content.generation)
    del content
    torch.nn.Module.to(model, device)
    model.train(False)
    workers = Workers() if device.type == "cpu" else None
    with torch.inference_mode():
        info = _placement(device, model.model, precision)
        decoder = decoder_of(model.model.decoder, vocabulary, precision.int8_decoder)
        return WhisperCheckpoint(
            log_mel=LogMel(filters, device),
            encoder=AudioEncoder(model.model.encoder, packing(precision.int8_encoder)),
            transcriber=Transcriber(decoder, vocabulary, most_rows, workers),
            precision=precision,
            info=info,
            fingerprint=f"{fingerprint}:{precision}",
            lock=PriorityLock(),
            workers=workers,
        )


def decoder_of(decoder: Any, vocabulary: Vocabulary, int8: bool = False) -> TextDecoder:
    """Our passes over a decoder's weights: a module as transformers names it."""
    if int8:
        decoder = decoder.float()
    suppressed = (vocabulary.suppressed, vocabulary.suppressed_first, vocabulary.silence)
    return TextDecoder(decoder, *suppressed, packing(int8))


def packing(int8: bool) -> Pack:
    """How linear layers are kept."""
    return QuantisedLinear if int8 else unpacked


def _placement(device: torch.device, model: Any, precision: Precision) -> ModelInfo:
    kept: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    kept[precision.int8_encoder].extend(model.encoder.state_dict().values())
    kept[precision.int8_decoder].extend(model.decoder.state_dict().values())
    return replace(place(device, kept[False], kept[True]), dtype=str(precision))


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer of a folder."""
    if (folder / FAST_TOKENIZER).exists():
        tokenizer = Tokenizer.from_file(str(folder / FAST_TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
    # Imported here: it takes a while, and only old checkpoints need it.
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def read_content(folder: Path, tokenizer: Any) -> CheckpointContent:
    """What a checkpoint in transformers' or CTranslate2's format holds.

    Raises:
        ModelLoadError: the files do not belong together.
        Exception: whatever is found wrong with them.
    """
    if is_converted(names_in(folder)):
        return read_converted(folder, tokenizer)
    return read_saved(folder)


def modules_of(content: CheckpointContent, dtype: torch.dtype) -> WhisperModules:
    """The weights in modules, in a dtype; those of ``content`` are taken out of it.

    Raises:
        ModelLoadError: some are missing, or of another shape than the sizes say.
    """
    modules = WhisperModules(content.sizes)
    wanted = modules.state_dict()
    given = content.weights
    unfit = [name for name, own in wanted.items() if _shape(given.get(name)) != own.shape]
    if unfit:
        raise ModelLoadError(
            f"{len(unfit)} tensors that config.json asks for are missing or of another shape, "
            f"{min(unfit)} for one; get the checkpoint anew, or name another"
        )
    modules.load_state_dict({name: given.pop(name).to(dtype) for name in wanted}, assign=True)
    return modules


def _shape(tensor: torch.Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


def mel_filters(folder: Path, bands: int | None = None) -> FloatArray:
    """The mel filters ``[201, bands]`` of the feature extractor in a folder.

    Checkpoints that were converted for CTranslate2 may come without one: it is Whisper's own then,
    with as many bands as are given.
    """
    whisper: Any = WhisperFeatureExtractor
    names = names_in(folder)
    if bands is not None and is_converted(names) and names.isdisjoint(EXTRACTORS):
        extractor = whisper(feature_size=bands)
    else:
        extractor = whisper.from_pretrained(folder, local_files_only=True)
    return np.asarray(extractor.mel_filters, np.float32)


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Changes with any weight: dtypes, names, shapes, and the sum of each tensor's bits.

    Hashing the bytes of a large checkpoint would take longer than loading it.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        pieces = tensor.detach().contiguous().view(torch.int16).flatten()
        # Part by part: on the way every piece is copied into four times the memory.
        bits = sum(int(part.sum(dtype=torch.int64)) for part in torch.split(pieces, _SUMMED))
        found.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:{bits};".encode())
    return found.hexdigest()[:16]
