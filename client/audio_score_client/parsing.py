"""From JSON to the dataclasses of answers.

Fields that are not known are passed over, so that servers may say more than this client knows;
fields that are missing or of another kind are not made up.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from audio_score_client.errors import UnexpectedAnswer

T = TypeVar("T")


def parsed(cls: type[T], value: object, place: str = "answer") -> T:
    """A dataclass from a JSON object.

    Args:
        cls: the dataclass; its fields may be dataclasses, tuples, mappings, unions with None, and
            JSON's own types.
        value: the JSON, as ``json.loads`` gives it.
        place: where it stands, for the error.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    if not isinstance(value, Mapping):
        raise _unexpected(place, "an object", value)
    kinds, told = _kinds(cast(Hashable, cls)), {}
    for each in fields(cls):  # type: ignore[arg-type]
        if each.name in value:
            told[each.name] = _value(kinds[each.name], value[each.name], f"{place}.{each.name}")
        elif _needed(each):
            raise UnexpectedAnswer(f"The server's answer lacks {place}.{each.name}.")
    return cls(**told)


def parsed_list(cls: type[T], value: object, place: str = "answer") -> tuple[T, ...]:
    """Dataclasses from a JSON array; see ``parsed``."""
    if not isinstance(value, list):
        raise _unexpected(place, "an array", value)
    return tuple(parsed(cls, each, f"{place}[{index}]") for index, each in enumerate(value))


@cache
def _kinds(cls: Hashable) -> dict[str, Any]:
    return get_type_hints(cls)


def _needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _value(kind: Any, value: object, place: str) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (each for each in arguments if each is not type(None))
        return None if value is None else _value(kind, value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise _unexpected(place, "an array", value)
        return tuple(
            _value(arguments[0], each, f"{place}[{index}]") for index, each in enumerate(value)
        )
    if origin is not None:
        if not isinstance(value, Mapping):
            raise _unexpected(place, "an object", value)
        return {str(k): _value(arguments[1], v, f"{place}.{k}") for k, v in value.items()}
    if is_dataclass(kind):
        return parsed(kind, value, place)  # type: ignore[arg-type]
    return _plain(kind, value, place)


def _plain(kind: type, value: object, place: str) -> object:
    if kind is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    # True is an int to Python, and to no one else.
    if type(value) is not kind:
        raise _unexpected(place, kind.__name__, value)
    return value


def _unexpected(place: str, wanted: str, value: object) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"The server's answer has {type(value).__name__} at {place}, not {wanted}. Is there an "
        "Audio Score Server at the address, of a version that this client knows?"
    )
