"""The WebSockets of the vendors' wire formats: each connection is a session in a room."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..config import LiveConfig
from ..errors import RefusedError
from ..events import Caption
from ..protocols.captions import parse_room
from ..protocols.client_events import Audio, ClientEvent, Flush, Reply, Stop
from ..protocols.deepgram import ListenDialect, parse_query
from ..protocols.openai_realtime import TranslationDialect
from ..translators import Translator
from .access import Access
from .caption_sockets import POLICY_VIOLATION, receive
from .hub import Outbox
from .metrics import Metrics
from .rooms import FAILED, GOING_AWAY, NORMAL, LiveSession, Rooms

EXPIRES_S = 24 * 3600  # a field that OpenAI's clients require; our sessions do not expire
_KEY_PREFIX = "openai-insecure-api-key."  # OpenAI's clients in a browser put the key after it


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


class VendorSockets:
    """The endpoints `/v1/listen` and `/v1/realtime/translations`."""

    def __init__(
        self, rooms: Rooms, access: Access, metrics: Metrics, translator: Translator
    ) -> None:
        self._rooms = rooms
        self._access = access
        self._metrics = metrics
        self._translator = translator

    async def listen(self, socket: WebSocket) -> None:
        await self._serve(socket, self._listen_dialect)

    async def translate(self, socket: WebSocket) -> None:
        await self._serve(socket, self._translation_dialect)

    async def _serve(
        self, socket: WebSocket, dialect_for: Callable[[QueryParams], Dialect]
    ) -> None:
        headers = {"authorization": f"Bearer {_key(socket)}"}
        if "publish" not in self._access.rights(headers):
            return await _deny(socket, 401, "a token is needed that allows to publish")
        try:
            room = parse_room(socket.query_params.get("room", "main"))
            dialect = dialect_for(socket.query_params)
        except (RefusedError, ValueError) as error:
            return await _deny(socket, 400, str(error))
        offered = socket.scope["subprotocols"]
        await socket.accept(next((name for name in ("realtime", "token") if name in offered), None))
        try:
            async with asyncio.TaskGroup() as tasks:
                await _Conversation(socket, dialect, room, self._rooms, self._metrics, tasks).run()
        except* WebSocketDisconnect:
            pass  # the client has gone, and its session ends

    def _listen_dialect(self, query: QueryParams) -> Dialect:
        """Raises ValueError for what is not served."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        request = parse_query(query.multi_items())
        return ListenDialect(request, str(uuid4()), self._rooms.recognizer.name, created)

    def _translation_dialect(self, query: QueryParams) -> Dialect:
        return TranslationDialect(
            session_id=f"sess_{uuid4().hex}",
            model=query.get("model", "surtitle"),
            source=query.get("source", "en"),
            expires_at_s=int(time.time()) + EXPIRES_S,
            check=self._translator.check,
        )


class _Conversation:
    def __init__(
        self,
        socket: WebSocket,
        dialect: Dialect,
        room: str,
        rooms: Rooms,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._socket = socket
        self._dialect = dialect
        self._room = room
        self._rooms = rooms
        self._metrics = metrics
        self._tasks = tasks
        self._live: LiveSession | None = None
        self._outbox: Outbox | None = None

    async def run(self) -> None:
        """Hear the client until either side closes. Raises WebSocketDisconnect."""
        with ExitStack() as attached:
            await self._send(self._dialect.greeting())
            try:
                while True:
                    message = await receive(self._socket)
                    if self._outbox is None or self._outbox.close_code is None:
                        for event in self._dialect.receive(message):
                            await self._hear(event, attached)
            except RefusedError as error:
                attached.close()
                await self._send([self._dialect.error(error.code, str(error))])
                await self._socket.close(POLICY_VIOLATION)

    async def _hear(self, event: ClientEvent, attached: ExitStack) -> None:
        """Raises RefusedError."""
        match event:
            case Audio(pcm):
                live = self._live or self._begin(attached)
                live.push(pcm)
                await self._send(self._dialect.heard(live.session.status().heard_ms))
            case Flush():
                if self._live is not None:
                    self._live.flush()
            case Reply(reply):
                await self._send([reply])
            case Stop():
                if self._live is None:
                    await self._send(self._dialect.farewell())
                    await self._socket.close()
                else:
                    self._live.stop()

    def _begin(self, attached: ExitStack) -> LiveSession:
        config = self._dialect.config
        assert config is not None, "a dialect lets no audio through before it is configured"
        live = self._rooms.start(self._room, config, self._dialect.sample_rate_hz)
        attached.callback(live.stop)  # these formats cannot resume
        self._live, self._outbox = live, attached.enter_context(live.attached())
        sending = self._tasks.create_task(self._send_captions(self._outbox))
        attached.callback(sending.cancel)
        return live

    async def _send_captions(self, outbox: Outbox) -> None:
        """Send what the room says until the session is over, and close the connection."""
        while (message := await outbox.take()) is not None:
            if message.caption is not None:
                await self._send(self._dialect.encode(message.caption))
                self._metrics.captions_sent.inc()
            elif outbox.close_code == FAILED and not outbox:  # the last words
                why = json.loads(message.text)["message"]
                await self._send([self._dialect.error("internal", why)])
        assert outbox.close_code is not None, "only a closed outbox has no next message"
        if outbox.close_code in (NORMAL, GOING_AWAY):
            await self._send(self._dialect.farewell())
        await self._socket.close(outbox.close_code)

    async def _send(self, messages: list[str]) -> None:
        for message in messages:
            await self._socket.send_text(message)


def _key(socket: WebSocket) -> str:
    """Where the vendors' clients put their key: a header, or in a browser a subprotocol."""
    scheme, _, key = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return key.strip()
    offered: list[str] = socket.scope["subprotocols"]
    if offered[:1] == ["token"] and len(offered) > 1:
        return offered[1]
    keys = (name.removeprefix(_KEY_PREFIX) for name in offered if name.startswith(_KEY_PREFIX))
    return next(keys, "")


async def _deny(socket: WebSocket, status: int, why: str) -> None:
    """Refuse in the handshake, as the vendors do."""
    await socket.send_denial_response(PlainTextResponse(f"{why}\n", status))
