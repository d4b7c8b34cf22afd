"""``GET /studio``: the page to practise on, and its files."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from audio_score_server.studio.assets import Asset, Studio
from audio_score_server.web.byte_ranges import etags_of, is_among

_CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
"""Nothing inline, nothing from elsewhere."""
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": _CONTENT_POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Vary": "Accept-Encoding",
}
_ASK_AGAIN: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def studio_router(studio: Studio) -> APIRouter:
    """Routes of the studio; not part of the API's description."""
    router = APIRouter(include_in_schema=False)

    @router.get("/studio")
    async def get_studio(request: Request) -> Response:
        """The page."""
        return _answer(request, studio.page, _ASK_AGAIN)

    @router.get("/studio/{digest}/{name:path}")
    async def get_asset(request: Request, digest: str, name: str) -> Response:
        """A file of the page; kept by browsers for as long as its address names this version.

        While workers are replaced by those of another version, a page of one may ask the other.
        """
        asset = studio.assets.get(name)
        if asset is None:
            raise HTTPException(404)
        return _answer(request, asset, _FOR_EVER if digest == studio.digest else _ASK_AGAIN)

    return router


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    headers = {**_HEADERS, "ETag": asset.etag, "Cache-Control": caching}
    if is_among(asset.etag, etags_of(request.headers.get("if-none-match"))):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = asset.media_type
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, headers=headers)
    return Response(asset.compressed, headers={**headers, "Content-Encoding": "gzip"})
