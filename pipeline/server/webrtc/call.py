"""One peer in a room: it is heard, and told what the room says, until one of both is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import ExitStack, aclosing

from aiortc import MediaStreamTrack, RTCDataChannel

from ...errors import RefusedError, RemoteError
from ...events import Caption
from ...protocols import Dialect, Flush, Published, Snapshot, Stop
from ...protocols.captions_parsing import parse_control
from ...webrtc.peer import Peer
from ...webrtc.sound import pieces
from ...webrtc.tile_track import TileTrack
from ..hub import Outbox
from ..live_session import LiveSession
from ..rooms import Rooms
from .channel import Channel

log = logging.getLogger(__name__)


class Call:
    """A peer that was answered, with its place in a room.

    `places` hold what it has taken there; `outbox` is what it is told. `run` frees everything in
    the end, however that comes.
    """

    def __init__(
        self,
        peer: Peer,
        rooms: Rooms,
        dialect: Dialect,
        outbox: Outbox,
        tile: TileTrack | None,
        lives: Sequence[LiveSession],
        places: ExitStack,
    ) -> None:
        """Each of `lives` hears the peer's track at the same place, at 16 kHz."""
        self.peer = peer
        self._rooms = rooms
        self._dialect = dialect
        self._outbox = outbox
        self._tile = tile
        self._lives = lives
        self._places = places
        self._session_id: str | None = None  # of what the tile shows
        self._channel = Channel(is_expected="application" in peer.kinds)

    def open_channel(self, channel: RTCDataChannel) -> None:
        """The other side has opened a data channel; the first one is spoken on."""
        self._channel.open(channel, self._hear)

    async def run(self) -> None:
        with self._places:
            try:
                await self._converse()
            except RemoteError as error:
                log.info("a peer is let go: %s", error)
            finally:
                for live in self._lives:
                    live.stop()
                self._channel.close()
                await self.peer.aclose()

    async def _converse(self) -> None:
        """Raises RemoteError where the peer is not reached."""
        await self.peer.connected()
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(self.peer.gone())
            telling = tasks.create_task(self._tell())
            hearing = tasks.create_task(self._listen_to_all())
            over = {gone, telling, *([hearing] if self._lives else [])}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            for live in self._lives:
                live.stop()
            if hearing.done():  # the last captions, for who waits for them
                await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
            for task in gone, telling, hearing:
                task.cancel()

    async def _listen_to_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for live, track in zip(self._lives, self.peer.sounds, strict=True):
                tasks.create_task(self._listen(live, track))

    async def _listen(self, live: LiveSession, track: MediaStreamTrack) -> None:
        """Hear a track to its end. Sound for which a session that is behind has no room is left
        out: a speaker cannot be told to wait."""
        has_left_out = False
        async with aclosing(pieces(track)) as heard:
            async for pcm in heard:
                try:
                    live.push(pcm)
                except RefusedError as error:
                    if not has_left_out:
                        log.warning("sound is left out: %s", error, extra={"session": live.id})
                    has_left_out = True

    async def _tell(self) -> None:
        """Send what comes into the outbox, up to the end of the session."""
        if self._lives:
            await self._lives[0].begun()
            started = Published(0, self._rooms.started(self._lives[0]))
            await self._channel.send(self._dialect.encode(started))
        while (published := await self._outbox.take()) is not None:
            self._show(published)
            await self._channel.send(self._dialect.encode(published))
        await self._channel.drained()

    def _show(self, published: Published) -> None:
        if self._tile is None:
            return
        match published.event:
            case Caption() as caption:
                self._tile.show(caption)
            case Snapshot(session_id=session_id, captions=captions):
                if session_id != self._session_id:
                    self._tile.clear()
                self._session_id = session_id
                for held in captions:
                    self._show(held)
            case _:
                pass

    def _hear(self, message: str | bytes) -> None:
        """What comes on the channel: a speaker's controls; a reader has nothing to say."""
        try:
            control = parse_control(message if isinstance(message, str) else "")
        except RefusedError as error:
            self._channel.send_now(self._dialect.error(error.code, str(error)))
            return
        for live in self._lives:
            match control:
                case Flush():
                    live.flush()
                case Stop():
                    live.stop()
