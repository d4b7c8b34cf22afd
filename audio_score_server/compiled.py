"""Machine code for the inner loops, through Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Function = Callable[Arguments, Result]


def compiled(
    signature: str, contract: bool = False
) -> Callable[[_Function[Arguments, Result]], _Function[Arguments, Result]]:
    """Compile a function at import, and keep the code for the next start where there is a folder.

    Args:
        signature: Numba's types of result and arguments.
        contract: whether a product and a sum may be rounded once, by one instruction.
    """
    fastmath = {"contract"} if contract else False

    def compile_function(function: _Function[Arguments, Result]) -> _Function[Arguments, Result]:
        try:
            code: _Function[Arguments, Result] = numba.njit(
                signature, cache=True, nogil=True, fastmath=fastmath
            )(function)
        except RuntimeError:
            # Numba's word for a package and a home that are both read-only.
            code = numba.njit(signature, nogil=True, fastmath=fastmath)(function)
        return code

    return compile_function
