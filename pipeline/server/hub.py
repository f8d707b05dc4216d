"""Fan-out of one room: events, each encoded where it is sent, which wait for every reader alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

from ..config import AUTO, LiveConfig
from ..events import Caption, Ended, Failed, SessionEvent, Status
from ..protocols import Published, RoomEvent, Snapshot, View
from .metrics import Metrics

SNAPSHOT_SEGMENTS = 10  # of each language
HELD_CAPTIONS = 1000  # for viewers that lost their connection: more than a minute of dense speech
OUTBOX_EVENTS = 256  # of finals alone several minutes
TRY_AGAIN_LATER = 1013  # a WebSocket close code


class Outbox:
    """What waits to be sent to one reader, of all languages or of some; AUTO is what is spoken.

    A newer draft takes the place of one that waits. When OUTBOX_EVENTS wait, the oldest draft is
    dropped; a final never is. A reader too slow even for finals is told to connect again.

    `deliver`, set for a viewer by who takes, is asked first while all that was taken is sent: where
    it returns True, nothing has to wait. A task that wakes up for each caption of each viewer would
    cost as much again as the sending. NOTE: not for publishers, for whom `Hub.tell` replaces what
    waits.
    """

    def __init__(self, languages: frozenset[str] = frozenset()) -> None:
        self.languages = languages
        self.close_code: int | None = None  # once set, nothing more is put in
        self.deliver: Callable[[Published], bool] | None = None
        self._is_idle = False  # who takes waits here, and has sent all that it took
        self._waiting: dict[Hashable, Published] = {}
        self._changed = asyncio.Event()

    def wants(self, event: RoomEvent) -> bool:
        if not self.languages or not isinstance(event, Caption):
            return True
        return event.language in self.languages or (event.is_source and AUTO in self.languages)

    def put(self, key: Hashable, published: Published) -> int:
        """Let an event wait, instead of an older one of the same key.

        Returns how many drafts will not be sent because of it.
        """
        if self.close_code is not None:
            return 0
        if self._is_idle and not self._waiting and self.deliver and self.deliver(published):
            return 0
        replaced = self._waiting.pop(key, None)
        self._waiting[key] = published
        self._changed.set()
        if len(self._waiting) <= OUTBOX_EVENTS:
            return int(replaced is not None and _is_draft(replaced))
        oldest = next((key for key, waiting in self._waiting.items() if _is_draft(waiting)), None)
        if oldest is None:
            self._waiting.clear()
            self.close(TRY_AGAIN_LATER)
            return 0
        del self._waiting[oldest]
        return 1

    def close(self, code: int) -> None:
        """Let the connection be closed when what waits has been sent; the first code counts."""
        if self.close_code is None:
            self.close_code = code
            self._changed.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def take(self) -> Published | None:
        """Wait for the next event; None when the connection is to be closed."""
        while not self._waiting:
            if self.close_code is not None:
                return None
            self._changed.clear()
            self._is_idle = True
            try:
                await self._changed.wait()
            finally:
                self._is_idle = False
        return self._waiting.pop(next(iter(self._waiting)))


class Hub:
    """The bus of a room: what its sessions say, one after the other, and those who read it.

    It holds the newest segments of each language for viewers that come, and the newest captions
    for those that come back.
    """

    def __init__(self, room: str, metrics: Metrics) -> None:
        self.room = room
        self.viewers: set[Outbox] = set()
        self.empty = asyncio.Event()  # set while nobody reads
        self.empty.set()
        self._metrics = metrics
        self._readers: set[Outbox] = set()  # the viewers, and who reads one session only
        self._session_id: str | None = None
        self._config: LiveConfig | None = None
        self._is_live = False
        self._sequence = 0
        self._held: deque[tuple[Hashable, Published]] = deque(maxlen=HELD_CAPTIONS)  # by key
        self._newest: dict[str, dict[int, Published]] = {}  # by language and segment

    def begin(self, session_id: str, config: LiveConfig) -> None:
        self._session_id, self._config, self._is_live = session_id, config, True
        self._held.clear()
        self._newest.clear()
        self._tell_viewers()

    def publish(self, session_id: str, event: SessionEvent) -> None:
        """Send what a session says to all.

        Ended or Failed is the last of a session: what it says after it goes nowhere, and neither
        does what changes a final. What it said before is held until another session begins.
        """
        if not self._is_live or session_id != self._session_id:
            return
        match event:
            case Caption():
                self._publish_caption(event)
            case Ended() | Failed():
                self._is_live = False
                self._send(_key_of(event), Published(self._sequence, event))
                self._tell_viewers()
            case _:
                self._send(_key_of(event), Published(self._sequence, event))

    def tell(self, outbox: Outbox, event: Status | Ended | Failed) -> None:
        """Send one reader what replaces, for it, the same that all were told."""
        outbox.put(_key_of(event), Published(self._sequence, event))

    def view(self, request: View) -> Outbox:
        """A viewer comes: a snapshot waits for it."""
        outbox = Outbox(request.languages)
        missed = self._missed(outbox, request) if request.session is not None else None
        outbox.put(*self._snapshot(outbox, missed))
        self.viewers.add(outbox)
        self._add(outbox)
        return outbox

    def read(self) -> Outbox:
        """Someone comes who is sent no snapshots; the newest segments wait."""
        outbox = Outbox()
        for published in self._newest_for(outbox):
            caption = published.event
            assert isinstance(caption, Caption), "only captions are held"
            outbox.put(self._key(caption), published)
        self._add(outbox)
        return outbox

    def leave(self, outbox: Outbox) -> None:
        self.viewers.discard(outbox)
        self._readers.discard(outbox)
        if not self._readers:
            self.empty.set()

    def close(self, code: int) -> None:
        """Close all connections, when what waits has been sent."""
        for reader in self._readers:
            reader.close(code)

    def _publish_caption(self, caption: Caption) -> None:
        newest = self._newest.setdefault(caption.language, {})
        if _is_final(newest.get(caption.segment_id)):
            return
        self._metrics.captions.inc()
        self._sequence += 1
        key, published = self._key(caption), Published(self._sequence, caption)
        self._held.append((key, published))
        newest[caption.segment_id] = published
        if len(newest) > SNAPSHOT_SEGMENTS:
            del newest[min(newest)]
        self._send(key, published)

    def _key(self, caption: Caption) -> Hashable:
        return self._session_id, caption.segment_id, caption.language

    def _send(self, key: Hashable, published: Published) -> None:
        wanted = [reader for reader in self._readers if reader.wants(published.event)]
        self._metrics.unsent_drafts.inc(sum(reader.put(key, published) for reader in wanted))

    def _add(self, outbox: Outbox) -> None:
        self._readers.add(outbox)
        self.empty.clear()

    def _tell_viewers(self) -> None:
        """That a session has begun or ended: the same snapshot, without captions, for all."""
        key, snapshot = self._snapshot(Outbox(), None)
        for viewer in self.viewers:
            viewer.put(key, snapshot)

    def _snapshot(
        self, outbox: Outbox, missed: list[Published] | None
    ) -> tuple[Hashable, Published]:
        """What a viewer sees first: what it has missed, or else the newest segments."""
        session_id, config = self._session_id, self._config
        captions = self._newest_for(outbox) if missed is None else missed
        if not self._is_live and missed is None:
            session_id, config, captions = None, None, []
        snapshot = Snapshot(self.room, session_id, config, tuple(captions), self._is_live)
        key = "snapshot", self._session_id, self._is_live
        return key, Published(self._sequence, snapshot)

    def _missed(self, outbox: Outbox, request: View) -> list[Published] | None:
        """What came after the last message that the viewer saw, None where not all of it is held.

        Also after the end of a session, whose last captions a lost connection may have swallowed.
        """
        before = self._held[0][1].sequence - 1 if self._held else self._sequence
        if request.session != self._session_id or not before <= request.after <= self._sequence:
            return None
        missed: dict[Hashable, Published] = {}
        for key, published in self._held:
            if published.sequence > request.after and outbox.wants(published.event):
                missed.pop(key, None)
                missed[key] = published
        return list(missed.values())

    def _newest_for(self, outbox: Outbox) -> list[Published]:
        held = [one for newest in self._newest.values() for one in newest.values()]
        wanted = (published for published in held if outbox.wants(published.event))
        return sorted(wanted, key=lambda published: published.sequence)


def _key_of(event: Status | Ended | Failed) -> Hashable:
    return "status" if isinstance(event, Status) else ("end", event.session_id)


def _is_draft(published: Published) -> bool:
    return isinstance(published.event, Caption) and not published.event.is_final


def _is_final(published: Published | None) -> bool:
    return (
        published is not None and isinstance(published.event, Caption) and published.event.is_final
    )
