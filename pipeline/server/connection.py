"""One WebSocket: what its client says, in whichever dialect, goes to a room, and comes from it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import RefusedError
from ..events import Caption, Ended
from ..protocols import (
    Audio,
    ClientEvent,
    Dialect,
    Flush,
    Published,
    Refuse,
    Reply,
    Resume,
    Retarget,
    Start,
    Stop,
    View,
)
from .gate.wire import wire_of
from .hub import Outbox
from .live_session import LiveSession
from .metrics import Metrics
from .rooms import FAILED, NORMAL, Rooms

POLICY_VIOLATION = 1008  # a WebSocket close code
MAX_EMPTY = 100  # messages in a row without a sample in them

log = logging.getLogger(__name__)


class Connection:
    """Between a socket that was accepted and a room, until either side closes.

    Whatever goes wrong in it ends it alone, and the session of which it is the only client.
    """

    def __init__(
        self,
        socket: WebSocket,
        dialect: Dialect,
        rooms: Rooms,
        metrics: Metrics,
        start_timeout_s: float | None,
    ) -> None:
        """`start_timeout_s` is how long a client may take for its first message."""
        self._socket = socket
        self._wire = wire_of(socket.scope)
        self._dialect = dialect
        self._rooms = rooms
        self._metrics = metrics
        self._start_timeout_s = start_timeout_s
        self._live: LiveSession | None = None
        self._outbox: Outbox | None = None
        self._telling: asyncio.Task[None] | None = None
        self._empty = 0  # messages in a row
        self._is_closed = False

    async def run(self) -> None:
        with ExitStack() as places, suppress(WebSocketDisconnect):
            try:
                await self._converse(places)
            except RefusedError as error:
                await self._leave()
                await self._close(POLICY_VIOLATION, self._dialect.error(error.code, str(error)))
            except WebSocketDisconnect:
                raise
            except Exception as error:
                if self._live is None or self._telling is None:
                    log.exception("a connection failed")
                    await self._close(FAILED, self._internal_error())
                else:  # the session ends with it, and tells so
                    self._live.fail(error)
                    await asyncio.wait([self._telling])
            finally:
                await self._leave()

    async def _converse(self, places: ExitStack) -> None:
        """Hear the client. Raises WebSocketDisconnect, RefusedError."""
        for event in self._dialect.begin():
            await self._hear(event, places)
        timeout_s = self._start_timeout_s
        while not self._is_closed:
            try:
                async with asyncio.timeout(timeout_s):
                    message = await self._receive()
            except TimeoutError as error:
                why = f"no start came within {timeout_s:g} s"
                raise RefusedError("bad_request", why) from error
            timeout_s = None
            if self._outbox is not None and self._outbox.close_code is not None:
                continue  # the session is over, or another connection has taken its place
            for event in self._dialect.receive(message):
                await self._hear(event, places)

    async def _hear(self, event: ClientEvent, places: ExitStack) -> None:
        match event:
            case Audio(pcm):
                self._count_empty(pcm)
                assert self._live is not None, "a dialect starts a session before its audio"
                self._live.push(pcm)
            case Start(room, config, sample_rate_hz, speaker):
                self._attach(self._rooms.start(room, config, sample_rate_hz, speaker), places)
            case Resume(key):
                self._attach(self._rooms.resume(key), places)
            case View():
                outbox = places.enter_context(self._rooms.viewed(event))
                outbox.deliver = self._deliver
                self._tell(outbox)
            case Flush() if self._live is not None:
                self._live.flush()
            case Stop() if self._live is not None:
                self._live.stop()
            case Flush() | Retarget():
                pass  # there is nothing yet; a meeting hears the latter itself
            case Stop():
                await self._close(NORMAL, *self._dialect.encode(Published(0, Ended(""))))
            case Reply(message):
                await self._send([message])
            case Refuse(message):
                await self._leave()
                await self._close(POLICY_VIOLATION, message)

    def _attach(self, live: LiveSession, places: ExitStack) -> None:
        self._live = live
        self._tell(places.enter_context(live.attached()))

    def _tell(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._telling = asyncio.create_task(self._tell_all(outbox))

    async def _tell_all(self, outbox: Outbox) -> None:
        """Send what comes into the outbox, and close the connection when nothing more does."""
        with suppress(WebSocketDisconnect):  # who receives notices it too
            try:
                if self._live is not None:
                    await self._tell_started(self._live, outbox)
                while (published := await outbox.take()) is not None:
                    await self._send(self._dialect.encode(published))
                    if isinstance(published.event, Caption):
                        self._metrics.captions_sent.inc()
                assert outbox.close_code is not None, "only a closed outbox has nothing next"
                await self._close(outbox.close_code)
            except WebSocketDisconnect:
                raise
            except Exception:
                log.exception("a connection failed")
                await self._close(FAILED, self._internal_error())

    def _deliver(self, published: Published) -> bool:
        """Send what happens at once; False where it has to wait for its turn."""
        if self._wire is None or self._is_closed or not self._wire.takes_now:
            return False
        try:
            messages = self._dialect.encode(published)
        except Exception:
            return False  # it fails again at its turn, which ends the connection
        self._wire.send_now(messages)
        if isinstance(published.event, Caption):
            self._metrics.captions_sent.inc()
        return True

    async def _tell_started(self, live: LiveSession, outbox: Outbox) -> None:
        await live.begun()
        if outbox.close_code is None:  # else it has failed to begin, or was taken over
            await self._send(self._dialect.encode(Published(0, self._rooms.started(live))))
            live.is_resumable = self._dialect.can_resume

    def _count_empty(self, pcm: bytes) -> None:
        """Raises RefusedError: nobody needs a hundred messages to say nothing."""
        self._empty = 0 if pcm else self._empty + 1
        if self._empty > MAX_EMPTY:
            raise RefusedError("bad_request", f"{self._empty} messages without audio; send samples")

    async def _leave(self) -> None:
        """Send nothing more of what the room says."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait([self._telling])

    def _internal_error(self) -> str:
        return self._dialect.error("internal", "the connection has failed: see the server's log")

    async def _receive(self) -> str | bytes:
        """The next message. Raises WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def _send(self, messages: list[str]) -> None:
        """Raises WebSocketDisconnect, also where the server has refused an invalid frame."""
        for message in messages:
            if self._is_closed:
                return
            try:
                await self._socket.send_text(message)
            except RuntimeError as error:  # what is said of a connection that is closed
                raise WebSocketDisconnect from error

    async def _close(self, code: int, *last_messages: str) -> None:
        await self._send(list(last_messages))
        if not self._is_closed:
            self._is_closed = True
            with suppress(RuntimeError):
                await self._socket.close(code)
