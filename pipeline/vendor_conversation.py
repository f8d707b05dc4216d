"""A client that speaks a vendor's wire format: one connection, one session, both ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .config import LiveConfig
from .errors import SurtitleError
from .events import Caption
from .protocols.client_events import Audio, ClientEvent, Flush, Reply, Stop
from .resampler import Resampler
from .session import Session

MAX_AHEAD_MS = 30_000
MAX_WAITING = 1000  # messages for a client that does not read
INTERNAL_ERROR = 1011

log = logging.getLogger(__name__)


class Dialect(Protocol):
    """What a file in protocols/ knows of one connection."""

    @property
    def config(self) -> LiveConfig | None:
        """What to listen to; known by the first audio."""
        ...

    @property
    def sample_rate_hz(self) -> int: ...
    def greeting(self) -> list[str]: ...
    def receive(self, message: str | bytes) -> list[ClientEvent]: ...
    def encode(self, caption: Caption) -> list[str]: ...
    def heard(self, heard_ms: int) -> list[str]: ...
    def farewell(self) -> list[str]: ...
    def error(self, code: str, message: str) -> str: ...


OpenSession = Callable[[LiveConfig, Callable[[Caption], None]], Session]


async def converse(socket: ServerConnection, dialect: Dialect, open_session: OpenSession) -> None:
    """Serve a connection to its end. `open_session` raises SurtitleError for what it refuses."""
    try:
        async with asyncio.TaskGroup() as tasks:
            await _Conversation(socket, dialect, open_session, tasks).run()
    except* ConnectionClosed:
        pass  # the client has gone, and its session with it
    except* SurtitleError as group:
        error = group.exceptions[0]
        code = error.code if isinstance(error, _Refused) else "internal"
        with suppress(ConnectionClosed):
            await socket.send(dialect.error(code, str(error)))
        await socket.close(INTERNAL_ERROR, code)


class _Refused(SurtitleError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Conversation:
    def __init__(
        self,
        socket: ServerConnection,
        dialect: Dialect,
        open_session: OpenSession,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._socket = socket
        self._dialect = dialect
        self._open_session = open_session
        self._tasks = tasks
        self._outbox = _Outbox(dialect, socket.transport.abort)
        self._resampler = Resampler(dialect.sample_rate_hz)
        self._session: Session | None = None
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._outbox.put(self._dialect.greeting())
        sending = self._tasks.create_task(self._send())
        if await self._is_stopped():
            if self._session is not None and self._running is not None:
                self._session.push(self._resampler.flush())
                self._session.stop()
                await self._running
            self._outbox.put(self._dialect.farewell())
            self._outbox.end()
            await sending
            await self._socket.close()
        else:
            sending.cancel()
            if self._running is not None:
                self._running.cancel()

    async def _is_stopped(self) -> bool:
        """Receive until the client asks to stop, or goes without a word."""
        async for message in self._socket:
            for event in self._dialect.receive(message):
                match event:
                    case Audio(pcm):
                        self._push(pcm)
                    case Flush():
                        if self._session is not None:
                            self._session.flush()
                    case Reply(reply):
                        self._outbox.put([reply])
                    case Stop():
                        return True
        return False

    def _push(self, pcm: bytes) -> None:
        if self._session is None:
            config = self._dialect.config
            assert config is not None, "a dialect lets no audio through before it is configured"
            self._session = self._open_session(config, self._outbox.publish)
            self._running = self._tasks.create_task(self._session.run())
        self._session.push(self._resampler.push(pcm))
        if self._session.ahead_ms > MAX_AHEAD_MS:
            raise _Refused(
                "too_fast",
                f"audio is {self._session.ahead_ms // 1000} s ahead of what has been recognized, "
                f"{MAX_AHEAD_MS // 1000} s are allowed; send it as fast as it is spoken",
            )
        self._outbox.put(self._dialect.heard(self._session.status().heard_ms))

    async def _send(self) -> None:
        while messages := await self._outbox.take():
            for message in messages:
                await self._socket.send(message)


class _Outbox:
    """What waits for the client, in order: messages, and of each segment the newest caption.

    A caption replaces an older one that still waits. `give_up` is called when MAX_WAITING do.
    """

    def __init__(self, dialect: Dialect, give_up: Callable[[], None]) -> None:
        self._dialect = dialect
        self._give_up = give_up
        self._waiting: dict[object, Caption | list[str]] = {}
        self._is_ended = False
        self._wake = asyncio.Event()

    def publish(self, caption: Caption) -> None:
        self._add((caption.segment_id, caption.language), caption)

    def put(self, messages: list[str]) -> None:
        if messages:
            self._add(object(), messages)

    def end(self) -> None:
        self._is_ended = True
        self._wake.set()

    async def take(self) -> list[str]:
        """The next messages, none when all is sent and nothing follows."""
        while True:
            while self._waiting:
                found = self._waiting.pop(next(iter(self._waiting)))
                messages = self._dialect.encode(found) if isinstance(found, Caption) else found
                if messages:
                    return messages
            if self._is_ended:
                return []
            self._wake.clear()
            await self._wake.wait()

    def _add(self, key: object, found: Caption | list[str]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            log.warning("a client does not read; its connection is given up")
            self._give_up()
            return
        self._waiting[key] = found
        self._wake.set()
