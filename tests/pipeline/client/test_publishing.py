"""A publisher against a real WebSocket server on loopback that follows a script."""

from __future__ import annotations

import asyncio
import json
import random
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.client import connection as client
from surtitle.pipeline.client import publishing
from surtitle.pipeline.client.connection import Server
from surtitle.pipeline.client.publishing import publish
from surtitle.pipeline.errors import MediaError, RemoteError

from ...patience import PATIENCE_S

Script = Callable[[ServerConnection], Awaitable[None]]
Message = dict[str, Any]
CAPTION = {
    "type": "caption",
    "sequence": 5,
    "segment_id": 0,
    "revision": 2,
    "language": "en",
    "text": "hello",
    "start_ms": 0,
    "end_ms": 50,
    "is_final": True,
}
START = {"room": "main", "source": "en", "sample_rate_hz": 8000, "codec": "pcm_s16le"}
STOPPED = {"type": "stopped", "session": "s-1"}
PIECES = [bytes([n, 0]) * 100 for n in range(20)]  # 12.5 ms each
SOUND = b"".join(PIECES)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)


class Hearing:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.notices: list[str] = []

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def waits(self) -> list[str]:
        parts = [notice.rpartition("trying again in ") for notice in self.notices]
        return [wait for _, found, wait in parts if found]


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        await asyncio.sleep(0.005)
        yield piece


def published(
    script: Script, audio: Callable[[], AsyncIterator[bytes]] = pieces, hearing: Any = None
) -> Hearing:
    """What a publisher hears and is told, whose connections follow `script`."""
    hearing = hearing or Hearing()

    async def work() -> None:
        options = {"subprotocols": [client.SUBPROTOCOL], "close_timeout": 0.1}
        async with serve(script, "127.0.0.1", 0, **options) as server:  # type: ignore[arg-type]
            port = next(iter(server.sockets)).getsockname()[1]
            await publish(
                Server(f"http://127.0.0.1:{port}"),
                START,
                audio(),
                hearing.messages.append,
                hearing.notices.append,
            )

    asyncio.run(asyncio.wait_for(work(), PATIENCE_S))
    return hearing


async def send(socket: ServerConnection, *messages: Message) -> None:
    for message in messages:
        await socket.send(json.dumps(message))


async def fail(socket: ServerConnection, code: str, message: str = "enough") -> None:
    await send(socket, {"type": "error", "code": code, "message": message})


async def refuse(socket: ServerConnection) -> None:
    await fail(socket, "bad_request")


def status(heard_ms: int) -> Message:
    return {"type": "status", "lag_ms": 0, "heard_ms": heard_ms}


def started(session: str = "s-1", received_samples: int = 0) -> Message:
    key = f"key of {session}"
    return {"type": "started", "session": session, "resume": key} | {
        "received_samples": received_samples
    }


class Room:
    """A server's side of publishing: keeps the sound, and breaks off after some of it."""

    def __init__(
        self, session: str = "s-1", *, breaks_after: int | None = None, loses: int = 0
    ) -> None:
        self.audio = b""
        self.starts: list[Message] = []
        self.session = session
        self._breaks_after = breaks_after
        self._loses = loses

    async def __call__(self, socket: ServerConnection) -> None:
        self.starts.append(json.loads(await socket.recv()))
        await self.go_on(socket)

    async def go_on(self, socket: ServerConnection) -> None:
        await send(socket, started(self.session, len(self.audio) // 2))
        async for message in socket:
            if isinstance(message, str):
                assert json.loads(message) == {"type": "stop"}
                await send(socket, CAPTION, STOPPED)
                return
            self.audio += message
            if self._breaks_after is not None and len(self.audio) >= self._breaks_after:
                self._breaks_after = None
                self.audio = self.audio[: len(self.audio) - self._loses]
                await self.break_off(socket)
                return

    async def break_off(self, socket: ServerConnection) -> None:
        socket.transport.abort()


def test_a_publisher_sends_all_and_waits_for_the_last_caption() -> None:
    room = Room()
    assert published(room).kinds() == ["started", "caption", "stopped"]
    assert room.audio == SOUND
    assert room.starts == [{"type": "start", "version": 1, **START}]


@pytest.mark.parametrize("loses", [0, 200, 250])
def test_a_publisher_resumes_and_sends_again_what_was_lost(loses: int) -> None:
    room = Room(breaks_after=1400, loses=loses)
    hearing = published(room)
    assert hearing.kinds() == ["started", "started", "caption", "stopped"]
    assert room.audio == SOUND
    assert room.starts[1] == {"type": "start", "version": 1, "resume": "key of s-1"}
    assert len(hearing.notices) == 1


def test_a_publisher_that_is_refused_says_why() -> None:
    with pytest.raises(RemoteError, match="enough"):
        published(refuse)


def test_a_server_that_fails_at_the_first_start_is_not_asked_again() -> None:
    with pytest.raises(RemoteError, match="no recognizer"):
        published(lambda socket: fail(socket, "internal", "no recognizer"))


def test_why_a_session_cannot_be_resumed_is_told() -> None:
    room = Room(breaks_after=1400)

    async def script(socket: ServerConnection) -> None:
        await (refuse(socket) if room.starts else room(socket))

    with pytest.raises(RemoteError, match="enough"):
        published(script)


def test_sound_too_old_to_send_again_is_told_and_becomes_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "KEPT_S", 0.05)  # 400 samples, four pieces
    room = Room(breaks_after=2000, loses=1800)
    hearing = published(room)
    assert len(room.audio) == len(SOUND)  # times stay right
    assert room.audio[:200] == SOUND[:200] and room.audio[-2000:] == SOUND[-2000:]
    assert any(notice.endswith("s of sound are lost") for notice in hearing.notices)


class Restarted:
    """A server that dies once, as `death` has it, and has then forgotten its session."""

    def __init__(self, *before: Message, death: Script | None = None) -> None:
        self.old, self.new = Room(breaks_after=1600), Room("s-2")
        self.old.break_off = self._die  # type: ignore[method-assign]
        self._before = before
        self._death = death
        self.firsts: list[Message] = []

    async def __call__(self, socket: ServerConnection) -> None:
        first = json.loads(await socket.recv())
        self.firsts.append(first)
        if "resume" in first:
            await fail(socket, "unknown_session", "there is no session with this key")
        elif not self.old.audio:
            await self.old.go_on(socket)
        else:
            await self.new.go_on(socket)

    async def _die(self, socket: ServerConnection) -> None:
        await send(socket, *self._before)
        if self._death is not None:
            await self._death(socket)
        else:
            socket.transport.abort()


def test_a_session_that_the_server_forgot_goes_on_as_another_in_the_room() -> None:
    server = Restarted()
    hearing = published(server)
    resumed = {"type": "start", "version": 1, "resume": "key of s-1"}
    fresh = {"type": "start", "version": 1, **START}
    assert server.firsts == [fresh, resumed, fresh]
    assert server.new.audio == SOUND  # nothing of it was captioned
    assert hearing.kinds() == ["started", "started", "caption", "stopped"]
    broken, replaced = hearing.notices
    assert "trying again" in broken
    assert replaced == "a new session has begun in the room main: the one before is over"


def test_what_was_captioned_is_not_sent_again() -> None:
    server = Restarted(CAPTION, status(75))  # up to 50 ms, which is four pieces
    published(server)
    assert server.new.audio == SOUND[800:]


def test_what_is_no_longer_there_for_the_new_session_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "KEPT_S", 0.05)
    server = Restarted()
    hearing = published(server)
    assert server.new.audio == SOUND[-len(server.new.audio) :]
    assert hearing.notices[-1].endswith("s of sound are lost")
    assert "new session" in hearing.notices[-1]


@pytest.mark.parametrize(
    "death",
    [
        lambda socket: fail(socket, "internal", "the recognizer has died"),
        lambda socket: send(socket, STOPPED),  # a server that is told to stop ends its sessions
    ],
    ids=["failed", "ended"],
)
def test_a_session_that_the_server_ends_goes_on_as_another(death: Script) -> None:
    server = Restarted(CAPTION, death=death)
    hearing = published(server)
    assert server.new.audio == SOUND[800:]
    assert "new session" in hearing.notices[-1]


def test_waits_grow_until_something_new_was_heard() -> None:
    connections = 0
    may_speak = asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 8:
            may_speak.set()
            return await Room()(socket)
        await socket.recv()
        await send(socket, started(), CAPTION)
        if connections in (4, 5):
            await send(socket, status(40))  # which is new once
        socket.transport.abort()

    async def patient() -> AsyncIterator[bytes]:
        await may_speak.wait()
        yield PIECES[0]

    waits = published(script, patient).waits()
    assert waits == ["0.01 s", "0.02 s", "0.04 s", "0.01 s", "0.02 s", "0.04 s", "0.08 s"]


def test_a_room_is_waited_for_whose_publisher_has_gone() -> None:
    room, refusals = Room(), 3

    async def script(socket: ServerConnection) -> None:
        nonlocal refusals
        refusals -= 1
        await (fail(socket, "room_taken", "somebody speaks") if refusals >= 0 else room(socket))

    hearing = published(script)
    assert room.audio == SOUND
    assert hearing.waits() == ["0.01 s", "0.02 s", "0.04 s"]


def test_a_room_that_stays_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "RESUME_WITHIN_S", 0.05)
    hearing = Hearing()
    with pytest.raises(RemoteError, match="somebody speaks"):
        published(lambda socket: fail(socket, "room_taken", "somebody speaks"), hearing=hearing)
    assert hearing.waits() == ["0.01 s", "0.02 s", "0.04 s"]


def test_a_server_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "AWAY_S", 0.05)

    async def script(socket: ServerConnection) -> None:
        await socket.recv()
        await send(socket, started())
        socket.transport.abort()

    with pytest.raises(RemoteError, match="tried again for 0.07 s"):
        published(script)


def test_a_server_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "SILENCE_S", 0.2)
    room, came_back = Room(), asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        if room.starts:
            came_back.set()
            return await room(socket)
        room.starts.append(json.loads(await socket.recv()))
        await send(socket, started())
        socket.transport.pause_reading()  # as of a process that is stopped
        async with asyncio.timeout(PATIENCE_S):
            await came_back.wait()

    hearing = published(script)
    assert "nothing has come for 0.2 s" in hearing.notices[0]
    assert room.audio == SOUND


def test_sending_to_a_dead_peer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "SEND_S", 0.2)
    monkeypatch.setattr(publishing, "MOST_AHEAD_S", 10_000)
    room, came_back = Room(), asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        if room.starts:
            came_back.set()
            return await room(socket)
        raw = socket.transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        room.starts.append(json.loads(await socket.recv()))
        await send(socket, started())
        socket.transport.pause_reading()
        async with asyncio.timeout(PATIENCE_S):
            await came_back.wait()

    noise = random.Random(1).randbytes(800_000)  # which cannot be compressed

    async def loud() -> AsyncIterator[bytes]:
        while not came_back.is_set():
            yield noise

    assert published(script, loud).kinds()[-1] == "stopped"
    assert len(room.starts) == 2


def test_a_server_that_never_ends_the_session_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LAST_CAPTIONS_S", 0.2)

    async def script(socket: ServerConnection) -> None:
        await socket.recv()
        await send(socket, started())
        try:
            while True:
                await send(socket, status(250))
                await asyncio.sleep(0.02)
        except ConnectionClosed:
            pass

    with pytest.raises(RemoteError, match="the last captions did not come"):
        published(script)


def test_the_last_captions_are_waited_for_as_long_as_something_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "LAST_CAPTIONS_S", 0.3)

    async def script(socket: ServerConnection) -> None:
        await socket.recv()
        await send(socket, started())
        while isinstance(await socket.recv(), bytes):
            pass
        for n in range(8):
            await asyncio.sleep(0.1)
            await send(socket, CAPTION | {"segment_id": n})
        await send(socket, STOPPED)

    assert published(script).kinds()[-2:] == ["caption", "stopped"]


def test_a_recording_that_fails_is_told_after_its_last_captions() -> None:
    room, hearing = Room(), Hearing()

    async def broken() -> AsyncIterator[bytes]:
        yield PIECES[0]
        raise MediaError("the file is damaged")

    with pytest.raises(MediaError, match="damaged"):
        published(room, broken, hearing)
    assert room.audio == PIECES[0]
    assert hearing.kinds() == ["started", "caption", "stopped"]


def test_no_more_is_sent_than_the_server_may_be_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MOST_AHEAD_S", 0.05)  # four pieces
    most, heard = 0, 0

    async def script(socket: ServerConnection) -> None:
        nonlocal most, heard
        await socket.recv()
        await send(socket, started())
        received, is_stopped = 0, False
        while not is_stopped:
            try:
                async with asyncio.timeout(0.1):
                    message = await socket.recv()
                is_stopped = isinstance(message, str)
                received += len(message) // 2
                most = max(most, received - heard)
            except TimeoutError:
                heard = received
                await send(socket, status(heard // 8))
        await send(socket, STOPPED)

    async def at_once() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    published(script, at_once)
    assert 400 <= most <= 600


def test_a_last_word_that_did_not_arrive_begins_no_session() -> None:
    firsts: list[Message] = []

    async def script(socket: ServerConnection) -> None:
        firsts.append(json.loads(await socket.recv()))
        if "resume" in firsts[-1]:
            return await fail(socket, "unknown_session")
        await send(socket, started())
        while isinstance(await socket.recv(), bytes):
            pass
        await send(socket, CAPTION, status(250))
        await socket.close(1011)

    assert published(script).kinds() == ["started", "caption", "status"]
    assert len(firsts) == 2


@pytest.mark.parametrize(
    "changes", [{"received_samples": "many"}, {"received_samples": None}, {"resume": None}]
)
def test_a_broken_start_is_told(changes: Message) -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.recv()
        await send(socket, started() | changes)

    with pytest.raises(RemoteError, match="does not speak"):
        published(script)
