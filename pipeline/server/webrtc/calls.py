"""All peers of a server: how one comes in over HTTP, and leaves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ...audio.pcm import SAMPLE_RATE_HZ
from ...config import ServerConfig
from ...errors import RefusedError
from ...protocols import Dialect, View
from ...protocols.captions import PublishDialect, ViewDialect
from ...webrtc.network import network_of
from ...webrtc.peer import Peer
from ...webrtc.tile_track import TileTrack
from ..hub import Outbox
from ..live_session import LiveSession
from ..memory import give_back
from ..metrics import Metrics
from ..rooms import Rooms
from .call import Call
from .requests import Fragment, Publish

MAX_SOUNDS = 4  # of one peer


@dataclass(frozen=True, slots=True)
class Answered:
    """A peer that has come in: `id` is a secret between it and us."""

    id: str
    description: str
    ice_tag: str  # names the ICE that its later candidates are for


async def _run(call: Call) -> None:
    try:
        await call.run()
    finally:
        asyncio.get_running_loop().run_in_executor(None, give_back)


@dataclass(slots=True)
class _Running:
    call: Call
    task: asyncio.Task[None]
    ice_tag: str


@dataclass(slots=True)
class _Seat:
    """What a peer gets in a room."""

    outbox: Outbox
    lives: list[LiveSession]


class Calls:
    """The peers, each a task. At most `max_peers`; who comes then is refused."""

    def __init__(
        self, rooms: Rooms, config: ServerConfig, metrics: Metrics, tasks: asyncio.TaskGroup
    ) -> None:
        self._rooms = rooms
        self._network = network_of(config.host, config.webrtc_ports, config.stun_server)
        self._max_peers = config.max_peers
        self._metrics = metrics
        self._tasks = tasks
        self._running: dict[str, _Running] = {}
        self._coming = 0

    async def publish(self, request: Publish, offer: str, shown: tuple[str, ...] = ()) -> Answered:
        """Somebody speaks; of several tracks, each is a speaker. A tile in the languages `shown`
        is sent where the offer asks for video.

        Raises RefusedError, and ValueError for the offer.
        """

        def seat(peer: Peer, places: ExitStack) -> _Seat:
            lives: list[LiveSession] = []
            for number in range(len(peer.sounds)):
                lives.append(self._start(request, number, peer))
                places.callback(lives[-1].stop)
            return _Seat(places.enter_context(lives[0].attached()), lives)

        tile = TileTrack(request.room, shown) if shown else None
        return await self._answer(offer, "audio", tile, PublishDialect(), seat)

    async def view(self, request: View, shown: tuple[str, ...], offer: str) -> Answered:
        """Somebody reads. Raises RefusedError, and ValueError for the offer."""

        def seat(peer: Peer, places: ExitStack) -> _Seat:
            return _Seat(places.enter_context(self._rooms.viewed(request)), [])

        tile = TileTrack(request.room, shown)
        return await self._answer(offer, "", tile, ViewDialect({}), seat)

    async def add_candidates(self, call_id: str, fragment: Fragment) -> bool:
        """Take them; False where they are for another ICE than the one that was agreed on.

        Raises RefusedError for a peer that is not there.
        """
        peer = self._found(call_id).call.peer
        if fragment.ice_user not in (None, peer.ice_user):
            return False
        for mid, candidate in fragment.candidates:
            await peer.add_candidate(candidate, mid)
        return True

    def ice_tag(self, call_id: str) -> str:
        """Raises RefusedError for a peer that is not there."""
        return self._found(call_id).ice_tag

    async def end(self, call_id: str) -> None:
        """Let a peer go. Raises RefusedError for one that is not there."""
        running = self._found(call_id)
        running.task.cancel()
        await asyncio.wait([running.task])

    async def aclose(self) -> None:
        """Let all go; their sessions end as those of publishers that leave."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(
        self,
        offer: str,
        heard: str,
        tile: TileTrack | None,
        dialect: Dialect,
        seat: Callable[[Peer, ExitStack], _Seat],
    ) -> Answered:
        if len(self._running) + self._coming >= self._max_peers:
            raise RefusedError(
                "too_many_sessions",
                f"this server has {self._max_peers} peers, as many as it may; try again later",
            )
        self._coming += 1
        peer = Peer(self._network)
        try:
            kinds = {"application", heard, "video" if tile else ""}
            description = await peer.answer(offer, kinds, [tile] if tile else [])
            if heard and not peer.sounds:
                raise ValueError("the offer has no sound in it that would be sent here")
            if len(peer.sounds) > MAX_SOUNDS:
                raise ValueError(f"an offer may have {MAX_SOUNDS} tracks of sound at most")
            with ExitStack() as places:
                taken = seat(peer, places)
                call = Call(
                    peer, self._rooms, dialect, taken.outbox, tile, taken.lives, places.pop_all()
                )
        except BaseException:
            await peer.aclose()
            raise
        finally:
            self._coming -= 1
        peer.connection.on("datachannel", call.open_channel)
        answered = self._begin(call, description)
        await asyncio.sleep(0)  # from now on it frees what it holds, also when it is let go at once
        return answered

    def _begin(self, call: Call, description: str) -> Answered:
        call_id, ice_tag = secrets.token_urlsafe(16), f'"{secrets.token_urlsafe(8)}"'
        task = self._tasks.create_task(_run(call))
        self._running[call_id] = _Running(call, task, ice_tag)
        self._metrics.peers.set(len(self._running))

        def forget(_: asyncio.Task[None]) -> None:
            del self._running[call_id]
            self._metrics.peers.set(len(self._running))

        task.add_done_callback(forget)
        return Answered(call_id, description, ice_tag)

    def _start(self, request: Publish, number: int, peer: Peer) -> LiveSession:
        speaker = request.speaker
        if len(peer.sounds) > 1:
            speaker = f"{speaker or 'Speaker'} {number + 1}"
        return self._rooms.start(request.room, request.config, SAMPLE_RATE_HZ, speaker)

    def _found(self, call_id: str) -> _Running:
        for known, running in self._running.items():
            if secrets.compare_digest(known.encode(), call_id.encode(errors="replace")):
                return running
        raise RefusedError("unknown_session", "there is no such peer any more")
