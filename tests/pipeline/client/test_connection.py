"""A viewer against a real WebSocket server on loopback that follows a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline.client import connection as client
from surtitle.pipeline.client.connection import Server, parse_caption, watch
from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.events import Caption

from ...patience import PATIENCE_S

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
        await asyncio.wait_for(work(f"http://127.0.0.1:{port}"), PATIENCE_S)
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
        after = 0 if connections == 1 else 5  # what is missed comes in the snapshot
        await send(socket, SNAPSHOT | {"sequence": 4 + after}, CAPTION | {"sequence": 5 + after})
        socket.transport.abort()  # as a network does that breaks

    hearing, paths = watched(script)
    assert hearing.kinds() == ["snapshot", "caption"] * 2
    assert paths == [
        "/v1/view?room=main&lang=es",
        "/v1/view?room=main&lang=es&session=s-1&after=5",
        "/v1/view?room=main&lang=es&session=s-1&after=10",
    ]
    assert len(hearing.notices) == 2 and "trying again" in hearing.notices[0]


def test_a_session_that_began_meanwhile_is_gone_on_with() -> None:
    snapshots = [
        SNAPSHOT | {"sequence": 900},
        SNAPSHOT | {"session": "s-2", "sequence": 3},  # of a server that was started again
        SNAPSHOT | {"session": None, "sequence": 7},
    ]
    connections = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections > len(snapshots):
            return await refuse(socket)
        await send(socket, snapshots[connections - 1])
        socket.transport.abort()

    _, paths = watched(script)
    assert [path.partition("lang=es")[2] for path in paths] == [
        "",
        "&session=s-1&after=900",
        "&session=s-2&after=3",
        "",
    ]


def test_waits_grow_until_there_is_a_new_caption() -> None:
    connections = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 7:
            return await refuse(socket)
        await send(socket, SNAPSHOT, {"type": "status", "lag_ms": 0})
        if connections >= 4:
            await send(socket, CAPTION)  # which is new once
        socket.transport.abort()

    hearing, _ = watched(script)
    waits = [notice.rpartition("trying again in ")[2] for notice in hearing.notices]
    assert waits == ["0.01 s", "0.02 s", "0.04 s", "0.01 s", "0.02 s", "0.04 s"]


@pytest.mark.parametrize("code", ["internal", "too_many_viewers"])
def test_a_server_that_stops_is_asked_again_by_who_has_seen_it(code: str) -> None:
    connections = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await send(socket, SNAPSHOT)
        elif connections == 2:
            await send(socket, {"type": "error", "code": code, "message": "it is stopping"})
        else:
            await refuse(socket)

    hearing, paths = watched(script)
    assert len(paths) == 3
    assert "it is stopping; trying again" in hearing.notices[1]


def test_a_live_room_that_falls_silent_is_a_dead_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "SILENCE_S", 0.1)
    connections = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 2:
            return await refuse(socket)
        await send(socket, SNAPSHOT | {"is_live": True})
        await socket.wait_closed()

    hearing, paths = watched(script)
    assert len(paths) == 2
    assert "nothing has come for 0.1 s" in hearing.notices[0]


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
    words = [{"text": "hola", "start_ms": 0, "end_ms": 900}]
    spoken = parse_caption(CAPTION | {"is_source": True, "words": words, "of_later": {}})
    assert spoken == Caption(0, 2, "es", "hola", 0, 900, True, is_source=True)
    with pytest.raises(RemoteError, match="none"):
        parse_caption(CAPTION | {"text": None})
