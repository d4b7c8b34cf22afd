"""The hub's own client, within bounds of time.

It knows the protocol, proxies, tokens and the layout of the cache. What it lacks is an end: left
alone it waits minutes for a hub that does not answer, and as long as the hub pleases where that
asks to be tried later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import httpx
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._http import default_client_factory, hf_raise_for_status

_BUSY: Final = (408, 429)


def bound_client() -> None:
    """Have the hub's client end in time and keep quiet; once or often is the same."""
    # Its other way to transfer files, by a library of its own (xet), knows none of these bounds;
    # every file comes by plain HTTP too.
    constants.HF_HUB_DISABLE_XET = True
    # Asking who is asking is one more request, made before all others.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # Addresses may be signed; it logs them, past the server's log format too, and what it builds
    # on logs headers. What matters is raised.
    hub_logging.set_verbosity(logging.CRITICAL)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    set_client_factory(_client)


def _client() -> httpx.Client:
    client = default_client_factory()
    hooks: dict[str, list[Callable[..., Any]]] = client.event_hooks
    hooks["request"].append(_bound)
    hooks["response"].append(_refuse_to_wait)
    return client


def _bound(request: httpx.Request) -> None:
    """No step of a request takes longer than the hub's variable for that says, 10 s by default."""
    longest = constants.HF_HUB_DOWNLOAD_TIMEOUT
    given = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        step: min(given.get(step) or longest, longest)
        for step in ("connect", "read", "write", "pool")
    }


def _refuse_to_wait(response: httpx.Response) -> None:
    """Raise where the client would sleep for as long as the answer says, and ask again."""
    if response.status_code in _BUSY or response.status_code >= 500:
        response.read()
        hf_raise_for_status(response)
