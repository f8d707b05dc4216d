"""The client against a real WebSocket server on loopback that follows a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline import client
from surtitle.pipeline.client import Server, parse_caption, publish, watch
from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.events import Caption

Script = Callable[[ServerConnection], Awaitable[None]]
SNAPSHOT = {"type": "snapshot", "session": "s-1", "sequence": 4, "captions": []}
CAPTION = {
    "type": "caption",
    "sequence": 5,
    "segment_id": 0,
    "revision": 2,
    "language": "es",
    "text": "hola",
    "start_ms": 0,
    "end_ms": 900,
    "is_final": True,
}
START = {"room": "main", "source": "en", "sample_rate_hz": 8000, "codec": "pcm_s16le"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)


class Hearing:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.notices: list[str] = []

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]


async def served(script: Script, work: Callable[[str], Awaitable[None]]) -> list[str]:
    """Run `work` against a server whose connections follow `script`; return the paths asked for."""
    paths: list[str] = []

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        paths.append(socket.request.path)
        await script(socket)

    async with serve(handle, "127.0.0.1", 0, subprotocols=[client.SUBPROTOCOL]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await asyncio.wait_for(work(f"http://127.0.0.1:{port}"), 10)
    return paths


async def send(socket: ServerConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        await socket.send(json.dumps(message))


def watched(script: Script, languages: str = "es", token: str | None = None) -> Any:
    """What `watch` hears and asks for, until a server refuses it."""
    hearing = Hearing()

    async def work(url: str) -> None:
        with pytest.raises(RemoteError, match="enough"):
            await watch(
                Server(url, token),
                "main",
                languages,
                hearing.messages.append,
                hearing.notices.append,
            )

    return hearing, asyncio.run(served(script, work))


async def refuse(socket: ServerConnection) -> None:
    await send(socket, {"type": "error", "code": "bad_request", "message": "enough"})


def test_a_viewer_resumes_after_what_it_saw() -> None:
    connections = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            return await refuse(socket)
        await send(socket, SNAPSHOT if connections == 1 else SNAPSHOT | {"sequence": 9}, CAPTION)
        socket.transport.abort()  # as a network does that breaks

    hearing, paths = watched(script)
    assert hearing.kinds() == ["snapshot", "caption"] * 2
    assert paths == [
        "/v1/view?room=main&lang=es",
        "/v1/view?room=main&lang=es&session=s-1&after=5",
        "/v1/view?room=main&lang=es&session=s-1&after=5",
    ]
    assert len(hearing.notices) == 2 and "trying again" in hearing.notices[0]


def test_the_token_is_sent_as_a_header() -> None:
    headers: list[str] = []

    async def script(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers.append(socket.request.headers["Authorization"])
        await refuse(socket)

    watched(script, token="secret")
    assert headers == ["Bearer secret"]


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    async def work() -> None:
        hearing = Hearing()
        server = Server("http://127.0.0.1:9")
        await watch(server, "main", "", hearing.messages.append, hearing.notices.append)

    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9 cannot be reached"):
        asyncio.run(work())


def test_what_is_no_caption_protocol_is_told() -> None:
    async def work(url: str) -> None:
        with pytest.raises(RemoteError, match="hello"):
            await watch(Server(url), "main", "", lambda message: None, lambda line: None)

    async def greet(socket: ServerConnection) -> None:
        await socket.send("hello")

    asyncio.run(served(greet, work))


@pytest.mark.parametrize("url", ["127.0.0.1:8765", "ftp://host", "http://"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=url):
        Server(url)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:1/", "ws://host:1/v1/view"),
        ("https://host/captions/", "wss://host/captions/v1/view"),
        ("ws://host", "ws://host/v1/view"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert Server(url).address("/v1/view", {}) == address


def test_captions_are_parsed_and_checked() -> None:
    assert parse_caption(CAPTION) == Caption(0, 2, "es", "hola", 0, 900, True)
    with pytest.raises(RemoteError, match="none"):
        parse_caption(CAPTION | {"text": None})


class Room:
    """A server's side of publishing: keeps the audio, and breaks off after some of it."""

    def __init__(self, *, breaks_after: int | None = None, loses: int = 0) -> None:
        self.audio = b""
        self.starts: list[dict[str, Any]] = []
        self._breaks_after = breaks_after
        self._loses = loses

    async def __call__(self, socket: ServerConnection) -> None:
        self.starts.append(json.loads(await socket.recv()))
        started = {"type": "started", "session": "s-1", "resume": "key"}
        await send(socket, started | {"received_samples": len(self.audio) // 2})
        async for message in socket:
            if isinstance(message, str):
                assert json.loads(message) == {"type": "stop"}
                await send(socket, CAPTION, {"type": "stopped", "session": "s-1"})
                return
            self.audio += message
            if self._breaks_after is not None and len(self.audio) >= self._breaks_after:
                self._breaks_after = None
                self.audio = self.audio[: len(self.audio) - self._loses]
                return socket.transport.abort()


PIECES = [bytes([n, 0]) * 100 for n in range(20)]


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        await asyncio.sleep(0.005)
        yield piece


def published(room: Script) -> Hearing:
    hearing = Hearing()

    async def work(url: str) -> None:
        await publish(Server(url), START, pieces(), hearing.messages.append, hearing.notices.append)

    asyncio.run(served(room, work))
    return hearing


def test_a_publisher_sends_all_and_waits_for_the_last_caption() -> None:
    room = Room()
    assert published(room).kinds() == ["started", "caption", "stopped"]
    assert room.audio == b"".join(PIECES)
    assert room.starts == [{"type": "start", "version": 1, **START}]


@pytest.mark.parametrize("loses", [0, 200, 250])
def test_a_publisher_resumes_and_sends_again_what_was_lost(loses: int) -> None:
    room = Room(breaks_after=1400, loses=loses)
    hearing = published(room)
    assert hearing.kinds() == ["started", "started", "caption", "stopped"]
    assert room.audio == b"".join(PIECES)
    assert room.starts[1] == {"type": "start", "version": 1, "resume": "key"}


def test_a_publisher_that_is_refused_says_why() -> None:
    with pytest.raises(RemoteError, match="enough"):
        published(refuse)


def test_a_session_that_cannot_be_resumed_ends_the_publisher() -> None:
    room = Room(breaks_after=1400)

    async def script(socket: ServerConnection) -> None:
        await (refuse(socket) if room.starts else room(socket))

    with pytest.raises(RemoteError, match="enough"):
        published(script)


def test_audio_too_old_to_send_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESUME_WITHIN_S", 0.05)  # 400 samples, four pieces
    with pytest.raises(RemoteError, match="start anew"):
        published(Room(breaks_after=2000, loses=1800))
