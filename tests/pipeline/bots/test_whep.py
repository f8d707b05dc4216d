"""A viewer against a WHEP server of the tests, whose stream is a tone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

import numpy as np
import pytest

from surtitle.pipeline.bots.broadcast import listen
from surtitle.pipeline.bots.whep import WhepReceiver, check_address
from surtitle.pipeline.client import connection
from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.webrtc.network import Network
from surtitle.pipeline.webrtc.peer import Peer

from ...patience import PATIENCE_S
from ..webrtc.tone import ToneTrack

TOKEN = "a-token-of-16-and-more"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(connection, "LONGEST_WAIT_S", 0.01)


class WhepServer:
    """Answers offers with a tone, or with `status` where that is set, or with what is no answer."""

    def __init__(self) -> None:
        self.status = 0
        self.is_mad = False
        self.asked: list[str] = []  # methods and paths
        self.peers: list[Peer] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            method, path, headers = head
            self.asked.append(f"{method} {path}")
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, said, more = await self._respond(method, headers, body.decode())
            lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(said.encode())}", *more]
            writer.write(("\r\n".join(lines) + "\r\n\r\n" + said).encode())
            await writer.drain()
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        fields = (line.partition(": ") for line in lines)
        method, path, _ = first.split(" ")
        return method, path, {name.lower(): value for name, _, value in fields}

    async def _respond(
        self, method: str, headers: dict[str, str], body: str
    ) -> tuple[int, str, list[str]]:
        if self.status:
            return self.status, "", []
        if method == "DELETE":
            return 200, "", []
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, "", []
        assert headers["content-type"] == "application/sdp"
        if self.is_mad:
            return 201, json.dumps({"sdp": None}), []
        peer = Peer(Network(("127.0.0.1",)))
        self.peers.append(peer)
        peer.connection.addTrack(ToneTrack())
        return 201, await peer.answer(body), ["Location: /seat/1"]

    async def hang_up(self) -> None:
        for peer in self.peers:
            await peer.aclose()
        self.peers.clear()


def view(
    server: WhepServer,
    until: Callable[[list[bytes]], bool],
    token: str | None = TOKEN,
    leave_after_s: float | None = None,
) -> tuple[list[bytes], list[str]]:
    """What is heard until it is enough, and what was said."""
    heard: list[bytes] = []
    said: list[str] = []

    async def scenario() -> None:
        async with await asyncio.start_server(server.answer, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            receiver = WhepReceiver(f"http://127.0.0.1:{port}/whep/hall?key=secret", token)
            async with aclosing(listen("the hall", receiver, said.append, leave_after_s)) as audio:
                async for piece in audio:
                    heard.append(piece)
                    if until(heard):
                        break
            await server.hang_up()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    return heard, said


def is_sound(piece: bytes) -> bool:
    return float(np.abs(np.frombuffer(piece, np.int16)).mean()) > 1000


def test_what_is_given_to_viewers_is_heard_and_the_seat_given_back() -> None:
    server = WhepServer()
    view(server, lambda heard: sum(map(is_sound, heard)) > 5)
    assert server.asked == ["POST /whep/hall?key=secret", "DELETE /seat/1"]


def test_who_is_sent_away_comes_back_with_silence_in_between() -> None:
    server = WhepServer()
    hanging_up: list[asyncio.Task[None]] = []

    def enough(heard: list[bytes]) -> bool:
        sounds = [is_sound(piece) for piece in heard]
        if sum(sounds) == 3 and not hanging_up:
            hanging_up.append(asyncio.create_task(server.hang_up()))
        return sum(sounds) > 6

    _, said = view(server, enough)
    assert server.asked.count("POST /whep/hall?key=secret") >= 2
    assert "/whep/hall has broken off" in said[0] and "the hall is heard again" in said


def test_who_has_nobody_to_hear_for_long_leaves() -> None:
    server = WhepServer()
    hanging_up: list[asyncio.Task[None]] = []

    def never(heard: list[bytes]) -> bool:
        if sum(map(is_sound, heard)) == 3 and not hanging_up:
            server.status = 404
            hanging_up.append(asyncio.create_task(server.hang_up()))
        return False

    _, said = view(server, never, leave_after_s=0.3)
    assert said[-1] == "the hall has been away for 0.3 s"


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(RemoteError, match=match) as error:
        yield
    assert "secret" not in str(error.value) and TOKEN not in str(error.value)


def test_a_wrong_token_is_told() -> None:
    with refused("refuses .401.: the token is missing or wrong; .* --whep-token"):
        view(WhepServer(), lambda heard: True, token="another")


@pytest.mark.parametrize(("status", "what"), [(404, "nobody"), (500, "500"), (200, "200")])
def test_a_server_that_does_not_let_in_is_told(status: int, what: str) -> None:
    server = WhepServer()
    server.status = status
    with refused(what):
        view(server, lambda heard: True)


def test_an_answer_that_is_none_is_told() -> None:
    server = WhepServer()
    server.is_mad = True
    with refused("answers wrong: a session description begins with v=0"):
        view(server, lambda heard: True)


@pytest.mark.parametrize("address", ["whep://x/", "file:///etc/passwd", "http:///x", "x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="a WHEP address is like"):
        check_address(address)
