"""A participant of a Janus VideoRoom, who hears each of the others and shows what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NoReturn

from ..client.connection import (
    ConnectionLost,
    Hear,
    Message,
    Say,
    Server,
    Waits,
    parse_caption,
    watch,
)
from ..config import AUTO
from ..errors import RemoteError
from ..events import Caption
from ..webrtc.network import Network
from ..webrtc.peer import Peer
from ..webrtc.tile_track import TileTrack
from .janus_api import Event, Handle, JanusRefused, JanusRoom, Session, open_session
from .janus_meeting import VIDEOROOM, Meeting, MeetingOver
from .janus_texts import Texts
from .speakers import Speakers

NO_SUCH_ROOM = 426  # of the VideoRoom
LOOK_S = 1.0  # whether anybody is there


class JanusBot:
    """In one room of a gateway, from the first time that it joins until it leaves.

    Janus may go and come back in between. Each who speaks is a publisher of the server's room that
    `start` names, with all that it asks for. What is read there is told to `hear`, drawn on our
    tile, and posted to the text room.
    """

    def __init__(
        self,
        place: JanusRoom,
        server: Server,
        start: Message,
        hear: Hear,
        say: Say,
        leave_after_s: float | None,
    ) -> None:
        self._place = place
        self._server = server
        self._into: str = start["room"]
        self._targets = tuple[str, ...](start["targets"])
        self._hear = hear
        self._say = say
        self._leave_after_s = leave_after_s
        self._speakers = Speakers(server, start, say)
        self._texts = Texts()
        self._tile: TileTrack | None = None  # while we are in the meeting
        self._has_joined = False
        self._waits = Waits()
        self._alone_s: float | None = None  # since when nobody speaks there

    async def run(self, wanted: Callable[[], Awaitable[None]]) -> None:
        """Attend until a stop is `wanted`, or the meeting is over for us; then wait for the last
        captions. Raises RemoteError where Janus or the server refuses, or cannot be reached the
        first time."""
        watching = asyncio.create_task(watch(self._server, self._into, "", self._show, self._say))
        attending = asyncio.create_task(self._attend())
        leaving = asyncio.ensure_future(wanted())
        tasks = watching, attending, leaving
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            attending.cancel()
            await asyncio.wait([attending])
            if not attending.cancelled():
                attending.result()
            if watching.done():
                watching.result()  # which the server has refused
            await self._speakers.finish()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._speakers.aclose()

    async def _attend(self) -> None:
        """Over all connections to Janus, until the meeting is over for us. Raises RemoteError."""
        try:
            while True:
                lost = await self._stay()
                self._note_alone(is_alone=True)
                wait_s = self._waits.next()
                self._say(f"{lost}; trying again in {wait_s:g} s")
                await asyncio.sleep(wait_s)
        except MeetingOver as over:
            self._say(str(over))

    async def _stay(self) -> str:
        """One connection; return why it has ended. Raises MeetingOver, RemoteError."""
        try:
            async with open_session(self._place.url) as session:
                await self._join(session)
        except ConnectionLost as error:
            if not self._has_joined:
                raise RemoteError(f"{error}; is it started, and the address right?") from error
            return str(error)
        except JanusRefused as error:
            if not (self._has_joined and error.code == NO_SUCH_ROOM):
                raise
            return str(error)  # it may be made anew
        finally:
            self._tile = None

    async def _join(self, session: Session) -> NoReturn:
        """Raises MeetingOver, ConnectionLost, RemoteError."""
        room = await session.attach(VIDEOROOM)
        joined = await room.ask(
            "join", ptype="publisher", display=self._place.display, **self._place.entry
        )
        self._say(f"{'back in' if self._has_joined else 'in'} the room {self._place.room} of Janus")
        self._has_joined = True
        self._waits.reset()
        async with AsyncExitStack() as places:
            meeting = Meeting(session, self._place, joined, self._speakers, self._say)
            places.push_async_callback(meeting.aclose)
            meeting.spawn("the tile cannot be shown", self._show_tile(room))
            meeting.spawn("the text room", self._texts.post(session, self._place))
            while True:
                event = await _next(room, session)
                if event is not None:
                    meeting.push(event)
                self._note_alone(is_alone=not meeting.has_speakers)

    def _note_alone(self, *, is_alone: bool) -> None:
        """Raises MeetingOver where nobody has been there for long enough."""
        now_s = asyncio.get_running_loop().time()
        self._alone_s = (self._alone_s or now_s) if is_alone else None
        if self._leave_after_s is None or self._alone_s is None:
            return
        if now_s - self._alone_s >= self._leave_after_s:
            raise MeetingOver(f"nobody has been heard for {self._leave_after_s:g} s")

    async def _show_tile(self, room: Handle) -> None:
        """Our picture, as long as we are there. Raises RemoteError, ConnectionLost, ValueError."""
        peer = Peer(Network())
        languages = (self._targets[0], AUTO) if self._targets else (AUTO,)
        self._tile = TileTrack(self._place.display, languages)
        try:
            peer.connection.addTrack(self._tile)
            offer = {"type": "offer", "sdp": await peer.offer(), "trickle": False}
            published = await room.ask("publish", offer)
            await peer.accept(str(published.jsep.get("sdp", "")))
            await peer.connected()
            await peer.gone()
        finally:
            await peer.aclose()

    def _show(self, message: Message) -> None:
        """What is read in the server's room."""
        match message["type"]:
            case "caption":
                caption = parse_caption(message)
                if self._tile is not None:
                    self._tile.show(caption)
                self._post(caption)
            case "snapshot" if self._tile is not None and not message.get("captions"):
                self._tile.clear()
            case _:
                pass
        self._hear(message)

    def _post(self, caption: Caption) -> None:
        """Finals go to the text room: translations, or what was said where there are none."""
        is_wanted = caption.language in self._targets if self._targets else caption.is_source
        if caption.is_final and is_wanted and caption.text.strip():
            self._texts.put(f"{caption.speaker} [{caption.language}]: {caption.text}")


async def _next(room: Handle, session: Session) -> Event | None:
    """The next event of the room; None where there is none for LOOK_S. Raises ConnectionLost."""
    coming = asyncio.create_task(room.events.get())
    try:
        await asyncio.wait(
            (coming, session.lost), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
        )
        if session.lost.done():
            session.lost.result()
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
