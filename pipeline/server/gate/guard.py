"""What is checked before any request is served, and the headers that every answer gets."""

from __future__ import annotations

from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from .access import Access
from .wire import PLACE

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), display-capture=(self), camera=(), geolocation=()",
}
_EMBEDDABLE = "/overlay"  # any page may show captions in a frame; it cannot read them


class Guard:
    """Refuses requests for other hosts, and WebSockets of pages of other servers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        place = scope.get("state", {}).get(PLACE)
        if (
            refusal is None
            and place is not None
            and self._access.knows(Headers(scope=scope), scope["type"])
        ):
            place.know()
        if scope["type"] == "websocket":
            with suppress(WebSocketDisconnect):  # it has gone
                if refusal is None:
                    await self._app(scope, receive, send)
                else:
                    await WebSocket(scope, receive, send).send_denial_response(refusal)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await (self._app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._access.allows_host(headers):
            return PlainTextResponse(
                "this server is for this computer only; open it as http://localhost", 421
            )
        if scope["type"] == "websocket" and not self._access.allows_origin(headers):
            return PlainTextResponse(
                "pages of other servers may not connect; --allow-origin lets them", 403
            )
        return None


def _add_headers(headers: MutableHeaders, path: str) -> None:
    headers.update(_HEADERS)
    headers["content-security-policy"] = _CONTENT_POLICY + (
        "*" if path == _EMBEDDABLE else "'none'"
    )
    headers["cache-control"] = "no-store" if path.startswith("/v1/") else "no-cache"
