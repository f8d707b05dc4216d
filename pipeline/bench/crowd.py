"""Many viewers in a process of their own: when each received which caption.

They are cheaper than a program would be that shows what it receives, so that it is the server that
is measured: when something comes, its time is noted, and what it says is looked at later.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from ..client.connection import SUBPROTOCOL, Server
from ..errors import RemoteError

LOOK_S = 0.5  # in which all that came is looked at; a ping waits no longer for its answer
AT_ONCE = 16  # viewers that are looked at before what comes meanwhile is noted
CONNECT_S = 120.0
END_S = 10.0  # for the end of a session to reach all


@dataclass(slots=True)
class Receipts:
    """What one viewer received, by the caption's number in its room: when, in seconds of the
    machine's clock; `size_bytes` in all. `is_lost`: its connection ended before the session did.
    """

    room: str
    at_s: dict[int, float] = field(default_factory=dict[int, float])
    size_bytes: int = 0
    is_lost: bool = False


class Reached(NamedTuple):
    """What became of captions on their way to viewers."""

    lags_ms: list[float]  # of each receipt: since anybody, publisher or viewer, had the caption
    missed_finals: int  # summed over the viewers
    lost: int  # viewers that were disconnected


class Crowd:
    """Viewers of a server, one for each of `rooms`; a room may be there many times."""

    def __init__(self, server: Server, rooms: Sequence[str]) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_crowd, args=(server, rooms, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Return when all are there. Raises RemoteError where one is refused."""
        problem = self._received()
        if problem is not None:
            self._process.join()
            raise RemoteError(problem)

    def end(self) -> tuple[list[Receipts], float]:
        """What each received, when the sessions are over, and the processor time it took in s."""
        self._pipe.send(None)
        found: tuple[list[Receipts], float] = self._received()
        self._process.join()
        return found

    def close(self) -> None:
        """Let all go, whatever they are at."""
        self._process.kill()
        self._process.join()

    def _received(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError as error:
            raise RemoteError("the process of the viewers has died") from error


def reached(
    published: dict[str, dict[int, float]],
    finals: dict[str, set[int]],
    viewed: Sequence[Receipts],
) -> Reached:
    """By room: when each caption was with its publisher, in s, and which captions are final."""
    first = {room: dict(at_s) for room, at_s in published.items()}
    for viewer in viewed:
        known = first.setdefault(viewer.room, {})
        for sequence, at_s in viewer.at_s.items():
            known[sequence] = min(at_s, known.get(sequence, at_s))
    lags_ms = [
        1000 * (at_s - first[viewer.room][sequence])
        for viewer in viewed
        for sequence, at_s in viewer.at_s.items()
    ]
    missed = sum(len(finals.get(viewer.room, set()) - viewer.at_s.keys()) for viewer in viewed)
    return Reached(lags_ms, missed, sum(viewer.is_lost for viewer in viewed))


class _Viewer(asyncio.Protocol):
    """One connection to `/v1/view`."""

    def __init__(self, room: str, address: str, token: str | None) -> None:
        self.receipts = Receipts(room)
        self.is_there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._was_live = False
        self._token = token
        self._protocol = ClientProtocol(parse_uri(address), subprotocols=[SUBPROTOCOL])
        self._came: list[tuple[float, bytes]] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        request = self._protocol.connect()
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._reply()

    def data_received(self, data: bytes) -> None:
        self._came.append((time.monotonic(), data))
        self.receipts.size_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.look()
        self._transport = None
        self.receipts.is_lost = not self.is_over.done()
        self._leave()
        self._refuse("the server has closed the connection")

    def look(self) -> None:
        """Understand what came since the last time, and answer pings."""
        came, self._came = self._came, []
        for at_s, data in came:
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._hear(_said(bytes(event.data)), at_s)
        if self._protocol.handshake_exc is not None:
            self._refuse(str(self._protocol.handshake_exc))
        if came:
            self._reply()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _hear(self, said: _Said, at_s: float) -> None:
        match said:
            case int():
                self.receipts.at_s[said] = at_s
            case str():
                self._refuse(said)
            case _Room(is_live):
                if not self.is_there.done():
                    self.is_there.set_result(None)
                if self._was_live and not is_live:
                    self._leave()
                self._was_live = is_live
            case None:
                pass

    def _leave(self) -> None:
        if not self.is_over.done():
            self.is_over.set_result(None)

    def _refuse(self, why: str) -> None:
        if not self.is_there.done():
            self.is_there.set_exception(RemoteError(f"a viewer is refused: {why}"))

    def _reply(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data and self._transport is not None:
            self._transport.write(data)


class _Room(NamedTuple):
    is_live: bool


_Said = int | str | _Room | None


@lru_cache(maxsize=4096)  # all viewers of a room receive the same bytes
def _said(raw: bytes) -> _Said:
    """The number of a caption, the words of an error, or whether the room is live."""
    message: dict[str, Any] = json.loads(raw)
    match message["type"]:
        case "caption":
            return message["sequence"]
        case "error":
            return message["message"]
        case "snapshot":
            return _Room(message["is_live"])
        case _:
            return None


def _crowd(server: Server, rooms: Sequence[str], pipe: Connection) -> None:
    """The process: tells when all are there, and what each received when it is asked."""
    asyncio.run(_view(server, rooms, pipe))


async def _view(server: Server, rooms: Sequence[str], pipe: Connection) -> None:
    viewers: list[_Viewer] = []
    looking = asyncio.create_task(_look(viewers))
    try:
        async with asyncio.timeout(CONNECT_S):
            for room in rooms:
                viewers.append(await _connect(server, room))
            await asyncio.gather(*(viewer.is_there for viewer in viewers))
    except TimeoutError:
        return pipe.send(f"not all viewers were let in within {CONNECT_S:g} s")
    except OSError as error:
        return pipe.send(f"{server.url} cannot be reached: {error}")
    except RemoteError as error:
        return pipe.send(str(error))
    pipe.send(None)
    began_s = time.process_time()
    await asyncio.to_thread(pipe.recv)
    await asyncio.wait([asyncio.gather(*(viewer.is_over for viewer in viewers))], timeout=END_S)
    looking.cancel()
    for viewer in viewers:
        viewer.close()
    pipe.send(([viewer.receipts for viewer in viewers], time.process_time() - began_s))


async def _connect(server: Server, room: str) -> _Viewer:
    address = server.address("/v1/view", {"room": room})
    uri = parse_uri(address)
    _, viewer = await asyncio.get_running_loop().create_connection(
        lambda: _Viewer(room, address, server.token), uri.host, uri.port, ssl=uri.secure or None
    )
    return viewer


async def _look(viewers: Sequence[_Viewer]) -> None:
    while True:
        for at in range(0, len(viewers), AT_ONCE):
            for viewer in viewers[at : at + AT_ONCE]:
                viewer.look()
            await asyncio.sleep(LOOK_S * AT_ONCE / len(viewers))
        await asyncio.sleep(LOOK_S / AT_ONCE)
