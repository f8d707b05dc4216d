"""The caption server: its routes, its listening socket, its birth and its death."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from ..config import ServerConfig
from ..errors import SurtitleError
from ..recognizers import LiveRecognizer
from ..translators import Translator
from ..translators.queue import TranslationQueue
from .files.service import FilesService, open_files
from .gate.access import Access, Right
from .gate.door import Door
from .gate.guard import Guard
from .gate.limits import Place, Places
from .gate.wire import HttpProtocol, WebSocketProtocol
from .http import Endpoint, WebApi
from .metrics import Metrics
from .parts import EXECUTOR
from .rooms import Rooms
from .sockets import Sockets
from .storage.store import Store
from .supervision import IndependentTasks, carry_on
from .webrtc.calls import Calls
from .webrtc.endpoints import WebRtcApi

PAGES = Path(__file__).parents[2] / "web"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
STALLED_MS = 30_000  # so long a connection may take nothing of what it is sent


class CaptionServer(uvicorn.Server):
    """Serves `app`; when it is told to stop, first the sessions are brought to their end."""

    def __init__(self, config: ServerConfig, app: Guard, rooms: Rooms, calls: Calls) -> None:
        self.rooms = rooms
        self._calls = calls
        self._limits = config
        self.places = Places(config.max_connections, config.max_address_connections)
        self._doors: list[Door] = []
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                http=HttpProtocol,
                # Written for the current interface of `websockets`, and uvicorn's own choice since
                # 0.50; the other implementation builds on one that `websockets` has deprecated.
                ws=WebSocketProtocol,
                ws_max_size=config.max_message_bytes,
                # Captions are short: compressing them for each viewer would cost more than it saves
                ws_per_message_deflate=False,
                ssl_certfile=config.tls_cert,
                ssl_keyfile=config.tls_key,
                # Addresses are not logged: what follows a "?" may be a secret of a careless user.
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_keep_alive=config.keep_alive_s,
                timeout_graceful_shutdown=3,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the doors; uvicorn's own would let everybody in."""
        assert sockets is not None, "it serves on sockets that listen already"
        self.servers = []  # uvicorn's
        self._doors = [self._door(listening) for listening in sockets]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # who runs the server hears them, and sets `should_exit`

    def _door(self, listening: socket.socket) -> Door:
        timeout_s = self._limits.request_timeout_s

        def make_protocol(place: Place) -> HttpProtocol:
            return HttpProtocol(
                self.config, self.server_state, place, timeout_s, self._limits.response_timeout_s
            )

        return Door(listening, self.places, make_protocol, self.config.ssl, timeout_s)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        await self.rooms.aclose()
        await self._calls.aclose()
        await super().shutdown(sockets)


@asynccontextmanager
async def open_server(
    config: ServerConfig,
    recognizer: LiveRecognizer,
    translator: Translator,
    store: Store,
    pages: Path = PAGES,
    files: FilesService | None = None,
) -> AsyncGenerator[CaptionServer, None]:
    """A server to `serve` within; what it needs runs until the end, when the recognizer is closed.
    With `files` it takes recordings and texts as well.

    Raises SurtitleError.
    """
    _check_certificate(config)
    # Each session now and then keeps a thread busy with voice activity detection.
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(config.max_sessions + 4, thread_name_prefix=EXECUTOR)
    )
    translations, metrics, access = TranslationQueue(translator), Metrics(), Access(config)
    async with aclosing(recognizer), aclosing(translations), IndependentTasks() as tasks:
        rooms = Rooms(config, recognizer, translations, store, metrics, tasks)
        running = tasks.create_task(carry_on("the status of sessions", rooms.run))
        sockets = Sockets(rooms, access, metrics, config, translator.check)
        api = WebApi(rooms, store, translator, access, metrics)
        calls = Calls(rooms, config, metrics, tasks)
        routes = _routes(sockets, api, WebRtcApi(calls, access, recognizer), pages)
        async with AsyncExitStack() as stack:
            if files is not None:
                languages = rooms.recognizer.languages
                opened = open_files(files, access, languages, translations, store, rooms, tasks)
                routes[:0] = await stack.enter_async_context(opened)
                routes.insert(0, _page("/files", pages / "files" / "index.html"))
            guard = Guard(Starlette(routes=routes), access)
            yield CaptionServer(config, guard, rooms, calls)
        running.cancel()


def listen(config: ServerConfig) -> socket.socket:
    """The socket to serve on; who connects before waits. Raises SurtitleError."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listening = socket.create_server((config.host, config.port), family=family, backlog=1024)
    except OSError as error:
        raise SurtitleError(
            f"{config.host} port {config.port} cannot be listened on: {error.strerror}; "
            "choose another --host or --port"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
    return listening


def _check_certificate(config: ServerConfig) -> None:
    if config.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_cert, config.tls_key)
    except OSError as error:  # ssl.SSLError is one
        raise SurtitleError(
            f"TLS cannot be set up with {config.tls_cert} and {config.tls_key}: {error}"
        ) from error


def _routes(sockets: Sockets, api: WebApi, webrtc: WebRtcApi, pages: Path) -> list[BaseRoute]:
    return [
        WebSocketRoute("/v1/publish", sockets.publish),
        WebSocketRoute("/v1/view", sockets.view),
        WebSocketRoute("/v1/listen", sockets.listen),
        WebSocketRoute("/v1/realtime/translations", sockets.translate),
        WebSocketRoute("/transcribe", sockets.bridge),
        WebSocketRoute("/translate", sockets.bridge_translation),
        Route("/v1/languages", api.for_viewers(api.languages)),
        Route("/v1/sessions", api.for_viewers(api.sessions)),
        Route("/v1/sessions/{session_id}", api.for_viewers(api.forget), methods=["DELETE"]),
        Route("/v1/sessions/{session_id}/transcript", api.for_viewers(api.transcript)),
        Route("/v1/qr", api.for_viewers(api.qr), methods=["POST"]),
        *_calling("/whip/{room}", webrtc, "publish", webrtc.whip),
        *_calling("/whep/{room}", webrtc, "view", webrtc.whep),
        *_calling("/v1/offer", webrtc, "publish", webrtc.offer),
        Route("/healthz", api.healthz),
        Route("/metrics", api.for_viewers(api.metrics)),
        _page("/", pages / "index.html"),
        _page("/overlay", pages / "overlay" / "index.html"),
        _page("/capture", pages / "capture" / "index.html"),
        Route("/{path:path}", StaticFiles(directory=pages)),  # a Mount would catch WebSockets too
    ]


def _calling(address: str, api: WebRtcApi, right: Right, call: Endpoint) -> list[BaseRoute]:
    """Where peers call, and what they have then."""
    begin = api.guarded(right, {"POST": call})
    go_on = api.guarded(right, {"PATCH": api.change, "DELETE": api.end})
    return [
        Route(address, begin, methods=METHODS),
        Route(f"{address}/{{call_id}}", go_on, methods=METHODS),
    ]


def _page(address: str, file: Path) -> Route:
    async def page(request: Request) -> Response:
        return FileResponse(file)

    return Route(address, page)
