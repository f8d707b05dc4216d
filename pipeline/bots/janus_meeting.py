"""One stay in a Janus VideoRoom: who speaks there is heard, each over a connection of its own.

https://janus.conf.meetecho.com/docs/videoroom.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, cast

from ..client.connection import ConnectionLost, Message, Waits
from ..errors import RemoteError
from ..webrtc.network import Network
from ..webrtc.peer import Peer
from .broadcast import Say
from .janus_api import Event, Handle, JanusRoom, Session
from .speakers import Speakers, speaker_name

VIDEOROOM = "janus.plugin.videoroom"
ENDS = ("hangup", "detached")


class MeetingOver(Exception):
    """There is nothing more to do for us; the message says why."""


@dataclass(slots=True)
class _Subscription:
    mids: tuple[str, ...]  # of the audio that is heard
    task: asyncio.Task[None]


class Meeting:
    """Tells `speakers` of the tracks of all who publish. `push` hears what the room's handle says.

    What goes wrong with one of its tasks is told to `say`, and costs no other.
    """

    def __init__(
        self, session: Session, place: JanusRoom, joined: Event, speakers: Speakers, say: Say
    ) -> None:
        self._session = session
        self._place = place
        self._speakers = speakers
        self._say = say
        self._private_id = joined.data.get("private_id")
        self._heard: dict[object, _Subscription] = {}  # by the publisher's number or name
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_told_twin = False
        self._note(joined.data.get("publishers"))

    @property
    def has_speakers(self) -> bool:
        return bool(self._heard)

    def push(self, event: Event) -> None:
        """Raises MeetingOver, ConnectionLost."""
        if event.kind == "detached":
            raise ConnectionLost("Janus has let go of us")
        data = event.data
        if data.get("videoroom") == "destroyed":
            raise MeetingOver(f"the room {self._place.room} of Janus is over")
        if data.get("leaving") == "ok":
            raise MeetingOver(f"we were removed from the room {self._place.room} of Janus")
        self._note(data.get("publishers"))
        for what in "unpublished", "leaving", "kicked":
            self._forget(data.get(what))

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something for as long as we are there."""
        task = asyncio.create_task(self._do(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (RemoteError, ValueError) as error:
            self._say(f"{name}: {error}")
        except ConnectionLost:
            pass  # as all will notice

    def _note(self, publishers: object) -> None:
        for publisher in cast("list[Any]", publishers) if isinstance(publishers, list) else []:
            if isinstance(publisher, dict):
                self._note_one(cast(Message, publisher))

    def _note_one(self, publisher: Message) -> None:
        """Somebody is there, or sends other tracks than before."""
        number, mids = publisher.get("id"), _audio_mids(publisher.get("streams"))
        known = self._heard.get(number) if isinstance(number, int | str) else None
        if known is not None and known.mids == mids:
            return
        self._forget(number)
        if mids and isinstance(number, int | str):
            name = speaker_name(publisher.get("display"), f"participant {number}")
            task = self.spawn(name, self._follow(number, name, mids))
            self._heard[number] = _Subscription(mids, task)
        elif publisher.get("display") == self._place.display and not self._has_told_twin:
            self._has_told_twin = True
            self._say(
                f"another {self._place.display!r} is in the room: if it captions into the same "
                "room of the same server, all is captioned twice"
            )

    def _forget(self, number: object) -> None:
        if isinstance(number, int | str) and (gone := self._heard.pop(number, None)):
            gone.task.cancel()

    async def _follow(self, number: int | str, name: str, mids: tuple[str, ...]) -> None:
        """Hear somebody until cancelled, over a new connection where one breaks. Raises
        ConnectionLost."""
        waits = Waits()
        while True:
            try:
                await self._listen(number, name, mids)
                why = "the connection has broken off"
            except (RemoteError, ValueError) as error:
                why = str(error)
            wait_s = waits.next()
            self._say(f"{name} is not heard: {why}; trying again in {wait_s:g} s")
            await asyncio.sleep(wait_s)

    async def _listen(self, number: int | str, name: str, mids: tuple[str, ...]) -> None:
        """One connection. Raises RemoteError, ConnectionLost, ValueError."""
        handle = await self._session.attach(VIDEOROOM)
        peer = Peer(Network())
        try:
            streams = [{"feed": number, "mid": mid} for mid in mids]
            private = {} if self._private_id is None else {"private_id": self._private_id}
            offered = await handle.ask(
                "join", ptype="subscriber", streams=streams, **private, **self._place.entry
            )
            answer = await peer.answer(str(offered.jsep.get("sdp", "")), ("audio",))
            await handle.ask("start", {"type": "answer", "sdp": answer, "trickle": False})
            await peer.connected()
            for track in peer.sounds:
                self._speakers.hear(name, track)
            await until_over(peer, handle)
        finally:
            await peer.aclose()
            await handle.detach()


async def until_over(peer: Peer, handle: Handle) -> None:
    """Wait until one of both sides has given up the connection."""
    gone = asyncio.create_task(peer.gone())
    told = asyncio.create_task(_told_end(handle))
    try:
        await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        told.cancel()


async def _told_end(handle: Handle) -> None:
    while (await handle.events.get()).kind not in ENDS:
        pass


def _audio_mids(streams: object) -> tuple[str, ...]:
    found = cast("list[Any]", streams) if isinstance(streams, list) else []
    return tuple(
        str(stream["mid"])
        for stream in cast("list[Message]", [one for one in found if isinstance(one, dict)])
        if stream.get("type") == "audio" and not stream.get("disabled") and "mid" in stream
    )
