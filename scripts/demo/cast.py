"""Who speaks in the demo: mixtures of Kokoro's styles."""

from __future__ import annotations

from typing import Final

from training.kokoro import Voice

BAKER: Final = Voice({"jm_kumo": 0.6, "jf_alpha": 0.4})
SAILOR: Final = Voice({"jm_kumo": 0.75, "jf_nezumi": 0.25})
KEEPER: Final = Voice({"jm_kumo": 1.0}, speed=0.95)
SISTER: Final = Voice({"jf_gongitsune": 0.6, "jf_tebukuro": 0.4}, speed=0.9)
FOX: Final = Voice({"jf_gongitsune": 0.65, "jf_alpha": 0.35})
WEAVER: Final = Voice({"jf_tebukuro": 0.6, "jm_kumo": 0.4}, speed=0.95)
CHILD: Final = Voice({"jf_gongitsune": 0.7, "jf_nezumi": 0.3}, raised=1.25)
"""Pitch and formants of somebody a quarter smaller than a woman."""
SLOW: Final = Voice({"jm_kumo": 0.8, "jf_gongitsune": 0.2}, speed=0.7)
"""As somebody speaks who is learning the language."""
