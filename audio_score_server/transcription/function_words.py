"""Short words that belong to the word behind them, in seven languages, in small letters.

English, German, French, Spanish, Italian, Portuguese and Dutch share each set: a transcript does
not say which language it is in, and what is an article in one is seldom a noun in another.
"""

from __future__ import annotations

from typing import Final


def _words(*lists: str) -> frozenset[str]:
    return frozenset(word for each in lists for word in each.split())


TITLES: Final = _words("mr mrs ms dr prof st vs hr fr sr sra nr")
"""Written with a full stop that ends no sentence."""

DETERMINERS: Final = _words(
    "a an the this these those my your his her its our their every each no some any",
    "der die das den dem des ein eine einen einem einer eines kein keine",
    "mein meine dein deine sein seine ihr ihre unser unsere",  # codespell:ignore
    "le la les un une du au aux mon ma mes ton ta tes sa ses notre votre nos vos leur leurs",
    "ce cet cette ces el los las unos unas mi tu tus su sus il lo gli uno una os um uma het een",
    "mis",  # codespell:ignore
)
"""Articles and possessives."""

CONJUNCTIONS_AND_PREPOSITIONS: Final = _words(
    "and or but nor because although though while when where if unless until since that which who",
    "whom whose than as of in on at by for from with without to into onto over under about after",
    "before between through during against towards toward across around",
    "und aber denn weil dass ob wenn wie mit von vom zu zum zur bei aus nach für um durch",
    "gegen ohne über zwischen im ins auf",
    "oder als unter vor",  # codespell:ignore
    "et ou mais donc car que qui quand comme dans sur sous avec sans pour par chez vers de à en",
    "y e o pero porque cuando como con sin para entre hacia desde hasta",
    "perché quando che senza per tra fra di da mas com sem em",
    "maar want omdat dat met van voor door naar bij op uit",
)
"""Relative pronouns among them: a clause begins with each."""

PRONOUNS_AND_AUXILIARIES: Final = _words(
    "i you he she it we they is are was were be been am have has had will would can could should",
    "must may might does did not",
    "ich er es wir sind hat haben wird nicht",
    "sie",  # codespell:ignore
    "je on nous vous ils elles est sont ont ne yo eu é non è ha",
)
"""A verb follows most of the time."""
