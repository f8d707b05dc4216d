"""What is checked before any request is served, and the headers that every answer gets."""

from __future__ import annotations

from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from .access import Access
from .wire import PLACE

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), display-capture=(self), camera=(), geolocation=()",
}
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_EMBEDDABLE = "/overlay"  # any page may show captions in a frame; it cannot read them


class Guard:
    """Refuses requests for other hosts, and of pages of other servers what changes something and
    WebSockets. Only pages of allowed origins may read answers."""

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

        shared_with = self._access.shares_with(Headers(scope=scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                _add_headers(headers, scope["path"])
                if shared_with is not None:
                    _add_sharing(headers, shared_with)
            await send(message)

        with suppress(ClientDisconnect):  # it has gone in the middle of its request
            await (self._app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._access.allows_host(headers):
            return PlainTextResponse(
                "this server is for this computer only; open it as http://localhost", 421
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _HARMLESS
        if changes and not self._access.allows_origin(headers):
            return PlainTextResponse(
                "pages of other servers may not connect; --allow-origin lets them", 403
            )
        if scope["type"] == "http" and "access-control-request-method" in headers:
            return Response(status_code=204)  # a browser asks on behalf of another server's page
        return None


def _add_headers(headers: MutableHeaders, path: str) -> None:
    headers.update(_HEADERS)
    headers["content-security-policy"] = _CONTENT_POLICY + (
        "*" if path == _EMBEDDABLE else "'none'"
    )
    headers["cache-control"] = "no-store" if path.startswith("/v1/") else "no-cache"


def _add_sharing(headers: MutableHeaders, origin: str) -> None:
    headers["access-control-allow-origin"] = origin
    headers["access-control-allow-methods"] = "GET, POST, PATCH, DELETE"
    headers["access-control-allow-headers"] = "authorization, *"
    headers["access-control-expose-headers"] = "x-request-id, location, etag, content-disposition"
    headers.add_vary_header("origin")
