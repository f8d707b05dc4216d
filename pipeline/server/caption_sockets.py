"""The WebSockets of the caption protocol: publishers and viewers at the doors of the rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..config import ServerConfig
from ..errors import RefusedError
from ..protocols.captions import (
    SUBPROTOCOL,
    Resume,
    encode_error,
    encode_started,
    parse_control,
    parse_start,
    parse_view,
)
from ..protocols.client_events import Flush, Stop
from ..recognizers import terms_notices
from .access import Access, Right
from .hub import Outbox
from .metrics import Metrics
from .rooms import LiveSession, Rooms

POLICY_VIOLATION = 1008  # a WebSocket close code

Hear = Callable[[str | bytes], None]


class CaptionSockets:
    """The endpoints `/v1/publish` and `/v1/view`."""

    def __init__(
        self, rooms: Rooms, access: Access, metrics: Metrics, config: ServerConfig
    ) -> None:
        self._rooms = rooms
        self._access = access
        self._metrics = metrics
        self._config = config

    async def publish(self, socket: WebSocket) -> None:
        await self._serve(socket, "publish", self._publish)

    async def view(self, socket: WebSocket) -> None:
        await self._serve(socket, "view", self._view)

    async def _serve(
        self, socket: WebSocket, right: Right, converse: Callable[[WebSocket], Awaitable[None]]
    ) -> None:
        offers = SUBPROTOCOL in socket.scope["subprotocols"]
        await socket.accept(SUBPROTOCOL if offers else None)
        with suppress(WebSocketDisconnect):  # it has gone
            try:
                if not offers:
                    raise RefusedError("bad_request", f"name the subprotocol {SUBPROTOCOL}")
                if right not in self._access.rights(socket.headers):
                    raise RefusedError("unauthorized", f"a token is needed that allows to {right}")
                await converse(socket)
            except RefusedError as error:
                # Told in our words, since a browser hides the status of a handshake from its page.
                await socket.send_text(encode_error(error.code, str(error)))
                await socket.close(POLICY_VIOLATION)

    async def _publish(self, socket: WebSocket) -> None:
        live = self._open(await self._first_message(socket))
        with live.attached() as outbox:
            await live.session.begun()
            if outbox.close_code is None:  # else the session has failed to begin, or is taken over
                await self._send_started(socket, live)
            await self._converse(socket, outbox, lambda message: _feed(live, message))

    async def _send_started(self, socket: WebSocket, live: LiveSession) -> None:
        recognizer = self._rooms.recognizer
        started = encode_started(
            live.hub.room,
            live.id,
            live.resume_key,
            live.config,
            recognizer.name,
            terms_notices(recognizer, live.config.terms),
            live.received_samples,
        )
        await socket.send_text(started)
        live.is_resumable = True

    async def _view(self, socket: WebSocket) -> None:
        with self._rooms.viewed(parse_view(socket.query_params)) as outbox:
            await self._converse(socket, outbox, _refuse_to_hear)

    def _open(self, message: str | bytes) -> LiveSession:
        start = parse_start(message)
        if isinstance(start, Resume):
            return self._rooms.resume(start.key)
        return self._rooms.start(start.room, start.config, start.sample_rate_hz)

    async def _first_message(self, socket: WebSocket) -> str | bytes:
        timeout_s = self._config.start_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await receive(socket)
        except TimeoutError as error:
            raise RefusedError("bad_request", f"no start came within {timeout_s:g} s") from error

    async def _converse(self, socket: WebSocket, outbox: Outbox, hear: Hear) -> None:
        """Send what is put into the outbox, and hear what comes, until either side closes."""
        sending = asyncio.create_task(self._send(socket, outbox))
        try:
            while True:
                message = await receive(socket)
                if outbox.close_code is None:  # else another connection has taken its place
                    hear(message)
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def _send(self, socket: WebSocket, outbox: Outbox) -> None:
        with suppress(WebSocketDisconnect):  # who receives notices it too
            while message := await outbox.take():
                await socket.send_text(message.text)
                if message.caption is not None:
                    self._metrics.captions_sent.inc()
            assert outbox.close_code is not None, "only a closed outbox has no next message"
            await socket.close(outbox.close_code)


async def receive(socket: WebSocket) -> str | bytes:
    """The next message. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    return text if text is not None else message["bytes"]


def _feed(live: LiveSession, message: str | bytes) -> None:
    if isinstance(message, bytes):
        live.push(message)
        return
    match parse_control(message):
        case Flush():
            live.flush()
        case Stop():
            live.stop()


def _refuse_to_hear(message: str | bytes) -> None:
    raise RefusedError("bad_request", f"a viewer only reads, got {message!r:.80}")
