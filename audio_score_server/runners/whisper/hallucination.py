"""Signs that a transcript has run away from what was said: pure arithmetic.

Whisper was trained on windows of 30 s. In shorter ones, and at times in those too, it may repeat
itself or go on without end; what it then writes can be told by its looks (Radford et al., "Robust
Speech Recognition via Large-Scale Weak Supervision", 2022, section 4.5).
"""

from __future__ import annotations

import zlib
from typing import Final

from audio_score_server.tokenization import words

_COMPRESSED: Final = 2.4
"""How much shorter a text becomes that says the same again and again."""
_UNLIKELY: Final = -1.5
"""Mean log-probability of the tokens of a text that the model itself hardly believes. Whisper's own
recipe has -1; a seventh of right but hesitant learners are below that, and a longer window does not
help them."""
_FASTEST: Final = 7.0
"""Words a second that nobody speaks."""
_AT_ONCE: Final = 2
"""Words that a moment may hold beyond that."""
_AGAIN: Final = 4
"""How often in a row nobody says the same words."""
_LONGEST_PHRASE: Final = 12
_LOOPS: Final = 6
"""How often a few tokens follow themselves before a transcript is given up."""
_LONGEST_LOOP: Final = 24
_UNSPOKEN: Final = ((0.75, -1.0), (0.35, -1.7))
"""Probabilities that nobody speaks, and mean log-probabilities below which a text is not believed
then. Whisper's own recipe, 0.6 and -1, takes words from learners (one was at 0.64 and -1.53) and
leaves some to music (0.42 and -1.92)."""
_SILENT: Final = 0.6
"""Probability from which on no text is believed that goes round, or is doubted for its looks."""


def hallucination_signs(text: str, seconds: float, mean: float) -> int:
    """How many signs speak against a transcript; 0 to 4.

    Args:
        text: the transcript of one part.
        seconds: how long the sound is.
        mean: of the log-probabilities of its tokens.
    """
    said = words(text)
    written = text.encode()
    return sum(
        (
            mean < _UNLIKELY,
            len(written) > _COMPRESSED * len(zlib.compress(written)),
            len(said) > _AT_ONCE + _FASTEST * seconds,
            _repeats(said),
        )
    )


def no_speech(silence: float, mean: float, doubted: int) -> bool:
    """Whether a transcript is made up, of sound in which nobody speaks.

    Args:
        silence: probability of that.
        mean: of the log-probabilities of the transcript's tokens.
        doubted: signs against the transcript.
    """
    unsure = any(silence > least and mean < most for least, most in _UNSPOKEN)
    return unsure or (silence > _SILENT and doubted > (mean < _UNLIKELY))


def is_looping(tokens: list[int]) -> bool:
    """Whether a transcript in the making has begun to say the same for ever.

    Sooner than its words can tell: every further token would cost a pass of the decoder.
    """
    return any(
        tokens[-length * _LOOPS :] == tokens[-length:] * _LOOPS
        for length in range(1, _LONGEST_LOOP + 1)
        if length * _LOOPS <= len(tokens)
    )


def _repeats(said: list[str]) -> bool:
    """Whether a few words follow themselves again and again."""
    for length in range(1, min(_LONGEST_PHRASE, len(said) // _AGAIN) + 1):
        alike = 0
        for word, before in zip(said[length:], said, strict=False):
            alike = alike + 1 if word == before else 0
            if alike == (_AGAIN - 1) * length:
                return True
    return False
