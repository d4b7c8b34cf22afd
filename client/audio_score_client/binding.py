"""Methods of the clients, made of operations: one signature and one docstring for both."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def bound_signature(method: F, operation: Callable[..., Any], returned: str) -> F:
    """Let ``help`` and editors show what a method returns, not the operation's steps.

    Args:
        method: of a client.
        operation: what it carries out.
        returned: what is made of the operation's result, which stands for ``{}``.
    """
    signature = inspect.signature(operation)
    told = str(signature.return_annotation)
    inner = told.partition("[")[2].removesuffix("]")
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        return_annotation=returned.format(inner)
    )
    return method
