"""A server of the caption protocol that follows a script, with the pages.

python tests/web/fake_server.py [PORT]     # replays samples/captions.jsonl at its own pace
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ..patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "samples/captions.jsonl"
PAGES = {"/": "index.html", "/overlay": "overlay/index.html", "/capture": "capture/index.html"}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; worker-src 'self'; frame-src 'self'"
)
Message = dict[str, Any]


def recorded() -> list[Message]:
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


class FakeServer:
    """Viewers get what `say` was given, from the snapshot on or from where they were: what was said
    before they came is in their snapshot.

    A publisher's audio is kept in `audio`, and `start` messages in `starts`. All methods may be
    called from any thread.
    """

    def __init__(self) -> None:
        self.starts: list[Message] = []
        self.may_start = threading.Event()  # a recognizer takes a while to start
        self.may_start.set()
        self.notices: list[str] = []
        self.audio = bytearray()
        self.paths: list[str] = []
        self.port = 0
        self._said: list[Message] = []
        self._sockets: set[ServerConnection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = True
        self._has_viewer = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def say(self, *messages: Message) -> None:
        self._run(self._say(messages))

    def wait_for_viewer(self) -> None:
        """Until one has come: what is said from then on is no part of the snapshot."""
        assert self._has_viewer.wait(PATIENCE_S), "nobody views"

    def drop(self, *, for_good: bool = False) -> None:
        """Cut every connection without a goodbye, and with `for_good` take no new ones."""
        self._run(self._drop(not for_good))

    def admit(self) -> None:
        self._open = True

    def _run(self, coroutine: Any) -> None:
        assert self._loop is not None, "serve first"
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    async def _say(self, messages: tuple[Message, ...]) -> None:
        self._said += messages
        for socket in list(self._sockets):
            with suppress(ConnectionClosed):
                for message in messages:
                    await socket.send(json.dumps(message))

    async def _drop(self, is_open: bool) -> None:
        self._open = is_open
        for socket in list(self._sockets):
            socket.transport.abort()

    async def start(self, port: int = 0) -> Server:
        self._loop = asyncio.get_running_loop()
        server = await serve(
            self._handle,
            "127.0.0.1",
            port,
            process_request=self._answer,
            subprotocols=[Subprotocol("surtitle.v1")],
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        return server

    def _answer(self, socket: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        self.paths.append(request.path)
        if path in ("/v1/view", "/v1/publish"):
            return (
                None if self._open else _response(HTTPStatus.SERVICE_UNAVAILABLE, b"", "text/plain")
            )
        if path == "/v1/languages":
            body = json.dumps({"source": ["af", "en"], "targets": ["es"]}).encode()
            return _response(HTTPStatus.OK, body, "application/json")
        file = ROOT / "web" / PAGES.get(path, path.removeprefix("/"))
        if not file.is_file():
            return _response(HTTPStatus.NOT_FOUND, b"", "text/plain")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return _response(HTTPStatus.OK, file.read_bytes(), kind)

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        address = urlsplit(socket.request.path)
        try:
            if address.path == "/v1/publish":
                await self._publish(socket)
            else:
                await self._view(socket, {k: v[0] for k, v in parse_qs(address.query).items()})
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)

    async def _view(self, socket: ServerConnection, query: dict[str, str]) -> None:
        after = int(query.get("after", -1))
        head = next((m for m in self._said if m["type"] == "snapshot"), None)
        if head is None:
            head = {"type": "snapshot", "session": None, "sequence": 0, "source": None}
            head |= {"targets": [], "is_live": False, "captions": []}
        missed = [m for m in self._said if m["type"] == "caption" and m["sequence"] > after]
        sequence = missed[-1]["sequence"] if missed else head["sequence"]
        self._sockets.add(socket)  # before: what is said while the snapshot leaves comes behind it
        await socket.send(json.dumps(head | {"sequence": sequence, "captions": missed}))
        self._has_viewer.set()
        await socket.wait_closed()

    async def _publish(self, socket: ServerConnection) -> None:
        async for raw in socket:
            if isinstance(raw, bytes):
                self.audio += raw
                continue
            message = json.loads(raw)
            if message["type"] == "start":
                self.starts.append(message)
                await asyncio.to_thread(self.may_start.wait, PATIENCE_S)
                self._sockets.add(socket)
                await socket.send(json.dumps(self._started()))
            elif message["type"] == "stop":
                await socket.send(json.dumps({"type": "stopped", "session": "s-1"}))
                return

    def _started(self) -> Message:
        return {
            "type": "started",
            "room": "main",
            "session": "s-1",
            "resume": "key-1",
            "source": "en",
            "targets": ["es"],
            "recognizer": "Moonshine tiny (English)",
            "notices": self.notices,
            "received_samples": len(self.audio) // 2,
        }


def _response(status: HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers()
    headers["Content-Type"] = kind if "image" in kind else f"{kind}; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    headers["Content-Security-Policy"] = CSP
    headers["Connection"] = "close"
    return Response(status, status.phrase, headers, body)


@contextmanager
def running() -> Iterator[FakeServer]:
    """A server in a thread of its own, for tests that drive a browser."""
    fake = FakeServer()
    is_ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with await fake.start():
            is_ready.set()
            await stop.wait()
            await fake._drop(False)

    thread = threading.Thread(target=loop.run_until_complete, args=[main()])
    thread.start()
    try:
        assert is_ready.wait(PATIENCE_S), "the fake server does not start"
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _replay(port: int) -> None:
    fake = FakeServer()
    async with await fake.start(port):
        print(f"{fake.url}/overlay?lang=es&dual=en&page=black", flush=True)
        snapshot, *messages = recorded()
        await fake._say((snapshot,))
        heard_ms = 0
        for message in messages:
            if message["type"] == "status":
                await asyncio.sleep((message["heard_ms"] - heard_ms) / 1000)
                heard_ms = message["heard_ms"]
            await fake._say((message,))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_replay(int(sys.argv[1]) if len(sys.argv) > 1 else 8899))
