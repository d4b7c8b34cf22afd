"""Read the model's answer: two numbers, or an error that says what came instead.

Errors are raised where no other one is being handled: those quote what the host sent, which may
repeat the key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio_score_server.domain import Score
from audio_score_server.remote.host import Host

Similarity = Annotated[float, Field(ge=0, le=1)]
_OPENING: Final = re.compile(r'\{\s*["}]')
_MOST_OPENINGS: Final = 1_000
"""Each that comes to nothing costs the parser a walk through the whole text before it."""


class Similarities(BaseModel):
    """The JSON that the model is asked for. Nothing is corrected: a number is right or refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    audio_sim_score: Similarity
    text_sim_score: Similarity


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    """The part of a chat completion that matters here."""

    choices: Annotated[list[_Choice], Field(min_length=1)]


def read_answer(body: bytes, host: Host) -> Score:
    """The score in a chat completion.

    Args:
        body: of the HTTP response.
        host: whose it is.

    Raises:
        RemoteError: the model refused, was cut off, or wrote something else.
    """
    choice = _first_choice(body)
    if choice is None:
        words = body.decode(errors="replace")
        raise host.error("answered with no chat completion (check api_base)", words)
    if choice.finish_reason == "length":
        raise host.error("was cut off in its answer; raise max_completion_tokens")
    if choice.finish_reason == "content_filter":
        raise host.error("withheld its answer: its filter objects to the content")
    if choice.message.refusal:
        raise host.error("refused to answer", choice.message.refusal)
    return read_content(choice.message.content or "", host)


def read_content(content: str, host: Host) -> Score:
    """The score in what the model wrote: one JSON object, bare, fenced or after its reasoning.

    Raises:
        RemoteError: there is none, more than one, or one that does not hold the two numbers.
    """
    try:
        objects = list(islice(_objects(content), 2))
    except (ValueError, RecursionError):
        objects = []
    if len(objects) != 1:
        count = "more than one JSON object" if objects else "no JSON object"
        raise host.error(f"wrote {count} where one was asked for", content or "nothing")
    found = _similarities(objects[0])
    if isinstance(found, str):
        raise host.error("wrote a malformed answer", f"{found}; it was {content}")
    return Score(found.audio_sim_score, found.text_sim_score)


def _first_choice(body: bytes) -> _Choice | None:
    try:
        return _Completion.model_validate_json(body).choices[0]
    except ValidationError:
        return None


def _similarities(values: dict[str, Any]) -> Similarities | str:
    """The numbers, or what is wrong with them."""
    try:
        return Similarities.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"


def _objects(content: str) -> Iterator[dict[str, Any]]:
    """Every JSON object that is not inside another one.

    Where a brace opens no object after all, the search goes on where the parser gave up.

    Raises:
        ValueError: there are too many such braces, or a number too long to read.
        RecursionError: an object is nested too deep.
    """
    end = 0
    for _ in range(_MOST_OPENINGS):
        opening = _OPENING.search(content, end)
        if opening is None:
            return
        try:
            found, end = _DECODER.raw_decode(content, opening.start())
            yield found
        except json.JSONDecodeError as error:
            end = max(error.pos, opening.start() + 1)
    raise ValueError("too many braces")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win without a word."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once_each)
