"""``HEAD`` for every address that takes ``GET``."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers ``HEAD`` with the headers of ``GET``: FastAPI's routes do not by themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as ``GET`` and the answer back without its body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            bodiless = {"body": b""} if message["type"] == "http.response.body" else {}
            await send({**message, **bodiless})

        await self._app({**scope, "method": "GET"}, receive, send_headers)
