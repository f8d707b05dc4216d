"""The WebSocket endpoints: who may come in, and which dialect is spoken there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..config import AUTO, ServerConfig
from ..errors import RefusedError, TranslatorError
from ..protocols import Dialect
from ..protocols.captions import SUBPROTOCOL, PublishDialect, ViewDialect
from ..protocols.captions_parsing import parse_room
from ..protocols.deepgram import ListenDialect, parse_query
from ..protocols.jitsi import BridgeDialect
from ..protocols.jitsi import parse_query as parse_bridge_query
from ..protocols.openai_realtime import TranslationDialect
from ..recognizers import can_find_language
from .connection import POLICY_VIOLATION, Connection
from .gate.access import Access, Right
from .meeting import MeetingConnection
from .metrics import Metrics
from .rooms import Rooms

EXPIRES_S = 24 * 3600  # a field that OpenAI's clients require; our sessions do not expire


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address. `open_dialect` raises RefusedError or ValueError for a query.

    `is_ours`: its clients name the first subprotocol, and are refused in messages of our format,
    since a browser hides the status of a handshake from its page. Vendors' clients are refused in
    the handshake.
    """

    right: Right
    open_dialect: Callable[[QueryParams], Dialect]
    subprotocols: tuple[str, ...]
    is_ours: bool
    start_timeout_s: float | None = None


class Sockets:
    """The endpoints, each a method. `check` raises for languages that cannot be translated."""

    def __init__(
        self,
        rooms: Rooms,
        access: Access,
        metrics: Metrics,
        config: ServerConfig,
        check: Callable[[str, str], None],
    ) -> None:
        self._rooms = rooms
        self._access = access
        self._metrics = metrics
        self._check = check
        ours, theirs = (SUBPROTOCOL,), ("realtime", "token")
        self._publish = _Endpoint(
            "publish", lambda _: PublishDialect(), ours, True, config.start_timeout_s
        )
        self._view = _Endpoint("view", ViewDialect, ours, True)
        self._listen = _Endpoint("publish", self._listen_dialect, theirs, False)
        self._translate = _Endpoint("publish", self._translation_dialect, theirs, False)
        self._bridge = _Endpoint(
            "publish", lambda query: self._bridge_dialect(query, is_translation=False), (), False
        )
        self._bridge_translation = _Endpoint(
            "publish", lambda query: self._bridge_dialect(query, is_translation=True), (), False
        )

    async def publish(self, socket: WebSocket) -> None:
        await self._serve(socket, self._publish)

    async def view(self, socket: WebSocket) -> None:
        await self._serve(socket, self._view)

    async def listen(self, socket: WebSocket) -> None:
        await self._serve(socket, self._listen)

    async def translate(self, socket: WebSocket) -> None:
        await self._serve(socket, self._translate)

    async def bridge(self, socket: WebSocket) -> None:
        await self._serve(socket, self._bridge)

    async def bridge_translation(self, socket: WebSocket) -> None:
        await self._serve(socket, self._bridge_translation)

    async def _serve(self, socket: WebSocket, endpoint: _Endpoint) -> None:
        offered = socket.scope["subprotocols"]
        agreed = next((name for name in endpoint.subprotocols if name in offered), None)
        timeout_s = endpoint.start_timeout_s
        with suppress(WebSocketDisconnect):  # it has gone before it was in
            try:
                dialect = self._admit(socket, endpoint, agreed)
            except (RefusedError, ValueError) as error:
                return await _refuse(socket, endpoint, agreed, error)
            await socket.accept(agreed)
            await self._connection(socket, dialect, timeout_s).run()

    def _connection(
        self, socket: WebSocket, dialect: Dialect, timeout_s: float | None
    ) -> Connection:
        if isinstance(dialect, BridgeDialect):
            return MeetingConnection(socket, dialect, self._rooms, self._metrics)
        return Connection(socket, dialect, self._rooms, self._metrics, timeout_s)

    def _admit(self, socket: WebSocket, endpoint: _Endpoint, agreed: str | None) -> Dialect:
        """Raises RefusedError, ValueError."""
        if endpoint.is_ours and agreed is None:
            raise RefusedError("bad_request", f"name the subprotocol {SUBPROTOCOL}")
        if endpoint.right not in self._access.rights(socket.headers):
            raise RefusedError("unauthorized", f"a token is needed that allows to {endpoint.right}")
        return endpoint.open_dialect(socket.query_params)

    def _listen_dialect(self, query: QueryParams) -> Dialect:
        room, request = parse_room(query.get("room", "main")), parse_query(query.multi_items())
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        return ListenDialect(request, room, str(uuid4()), self._rooms.recognizer.name, created)

    def _translation_dialect(self, query: QueryParams) -> Dialect:
        return TranslationDialect(
            room=parse_room(query.get("room", "main")),
            session_id=f"sess_{uuid4().hex}",
            model=query.get("model", "surtitle"),
            source=query.get("source", "en"),
            expires_at_s=int(time.time()) + EXPIRES_S,
            check=self._check,
        )

    def _bridge_dialect(self, query: QueryParams, *, is_translation: bool) -> Dialect:
        recognizer = self._rooms.recognizer
        default = AUTO if can_find_language(recognizer) else min(recognizer.languages)
        request = parse_bridge_query(query.multi_items(), default, is_translation=is_translation)
        sources = recognizer.languages if request.source == AUTO else {request.source}

        def can_translate(target: str) -> bool:
            return any(self._reaches(source, target) for source in sources)

        return BridgeDialect(request, can_translate, lambda: int(1000 * time.time()))

    def _reaches(self, source: str, target: str) -> bool:
        try:
            self._check(source, target)
        except TranslatorError:
            return False
        return source != target


async def _refuse(
    socket: WebSocket, endpoint: _Endpoint, agreed: str | None, error: Exception
) -> None:
    code = error.code if isinstance(error, RefusedError) else "bad_request"
    if endpoint.is_ours:
        await socket.accept(agreed)
        await socket.send_text(PublishDialect().error(code, str(error)))
        await socket.close(POLICY_VIOLATION)
    else:
        status = 401 if code == "unauthorized" else 400
        await socket.send_denial_response(PlainTextResponse(f"{error}\n", status))
