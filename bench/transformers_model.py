"""A Whisper checkpoint, in whatever format, as a model of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from audio_score_server.runners.whisper.checkpoint import read_content, tokenizer_of


def transformers_model(folder: Path, dtype: torch.dtype) -> Any:
    """The model, with what it says of its tokens in ``generation_config``."""
    content = read_content(folder, tokenizer_of(folder))
    sizes = content.sizes
    # The true tokens are in the generation's settings; defaults may lie beyond the vocabulary.
    tokens = dict.fromkeys(
        ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0
    )
    config: Any = WhisperConfig
    whisper: Any = WhisperForConditionalGeneration
    model = whisper.from_pretrained(
        None,
        config=config(
            d_model=sizes.width,
            num_mel_bins=sizes.bands,
            vocab_size=sizes.words,
            max_source_positions=sizes.encoder.positions,
            max_target_positions=sizes.decoder.positions,
            encoder_layers=sizes.encoder.layers,
            decoder_layers=sizes.decoder.layers,
            encoder_attention_heads=sizes.encoder.heads,
            decoder_attention_heads=sizes.decoder.heads,
            encoder_ffn_dim=sizes.encoder.inner,
            decoder_ffn_dim=sizes.decoder.inner,
            **tokens,
        ),
        state_dict=content.weights,
        dtype=dtype,
    )
    generation: Any = GenerationConfig
    model.generation_config = generation(**vars(content.generation))
    return model
