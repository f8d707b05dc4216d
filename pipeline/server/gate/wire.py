"""HTTP and WebSocket as uvicorn speaks them, with deadlines and with places for connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from .limits import Place

PLACE = "place"  # the name of a connection's Place in the state of a scope
_WIRE = "wire"  # that of a WebSocket's protocol
FRAGMENTS = 1000  # of one message; what it may hold in bytes is bounded by `ws_max_size`
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpProtocol(H11Protocol):
    """A connection that must send each request, with its body, within `request_timeout_s`, and
    take each answer within `response_timeout_s`. It holds a place until it is lost.

    Of a request for which its place has taken time, something must come each `request_timeout_s`
    until it is there. How long a peer may take nothing of the answer is for the socket's own clock.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        place: Place,
        request_timeout_s: float,
        response_timeout_s: float,
    ) -> None:
        self._place = place
        self._request_timeout_s = request_timeout_s
        self._response_timeout_s = response_timeout_s
        self._served = 0  # requests
        self._stage: tuple[int, bool] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_upgraded = self._is_long = False
        super().__init__(config, server_state, {PLACE: place})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._place.let_go = transport.abort
        self._place.allow_long = self._allow_long
        self._follow()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        self._served += 1
        self._is_long = False
        super().on_response_complete()
        self._follow()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._is_upgraded = True
        self._stop_clock()
        self._place.waits_since_s = None
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._place.leave()
        super().connection_lost(exc)

    def _follow(self) -> None:
        """Set the deadline of what the connection does now, where that is something new."""
        # NOTE: uvicorn's own clock stops at the first byte after an answer, however slow the rest.
        waits = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        is_new = self._stage != (self._served, waits)
        if self._is_upgraded or not (is_new or (self._is_long and waits)):
            return
        self._stage = (self._served, waits)
        self._place.waits_since_s = self.loop.time() if waits else None
        self._stop_clock()
        if not self.transport.is_closing() and (waits or not self._is_long):
            timeout_s = self._request_timeout_s if waits else self._response_timeout_s
            self._deadline = self.loop.call_later(timeout_s, self._too_slow)

    def _allow_long(self) -> None:
        self._is_long = True
        self._stage = None
        self._follow()

    def _too_slow(self) -> None:
        if self.conn.our_state is not h11.IDLE:  # in the middle of an answer
            self.transport.abort()
            return
        if self.conn.trailing_data[0]:  # of a request
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket whose peer may do what it likes: it is answered, or the connection ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._place.let_go = self.transport.abort
        self.app_state[_WIRE] = self

    def connection_lost(self, exc: Exception | None) -> None:
        self._place.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A request that `websockets` could not read: a line over 8 kB, a body. It has its
            # answer ready or none, and uvicorn sends neither.
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.close_sent = self.handshake_complete = True
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self.conn.fail(1009, f"a message has at most {FRAGMENTS} fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        if not self.writable.is_set():  # it asks, and takes no answers
            self.transport.abort()
            return
        super().handle_ping()

    async def send(self, message: Any) -> None:
        # What ended the connection here, an invalid frame or a ping without an answer, is told to
        # who sends as a peer that has gone; uvicorn calls it a fault of the application.
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.close_sent:  # also a handshake that was refused, which uvicorn would call missing
            self.handshake_complete = True

    @property
    def takes_now(self) -> bool:
        """Whether the peer takes what it is sent, and has taken what was sent before."""
        is_open = self.conn.state is State.OPEN and not self.close_sent
        return is_open and self.writable.is_set() and not self.conn.extensions

    def send_now(self, texts: Sequence[str]) -> None:
        """Send messages at once, while `takes_now`; half as dear as `send`, through ASGI."""
        self.transport.write(b"".join(map(_text_frame, texts)))

    def shutdown(self) -> None:
        if self.transport.is_closing():  # uvicorn would fail to say goodbye once more
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def _place(self) -> Place:
        return cast(Place, self.app_state[PLACE])


def wire_of(scope: Mapping[str, Any]) -> WebSocketProtocol | None:
    """What a WebSocket's scope came by; None where another server than ours serves it."""
    return scope.get("state", {}).get(_WIRE)


@lru_cache(maxsize=64)
def _text_frame(text: str) -> bytes:
    """A message to anybody: servers mask nothing, so that all viewers are sent the same bytes."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
