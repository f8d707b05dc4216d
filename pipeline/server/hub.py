"""Fan-out of one room: each message is encoded once, and waits for every viewer by itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from ..config import LiveConfig
from ..events import Caption
from ..protocols.captions import ViewRequest, encode_caption, encode_snapshot

SNAPSHOT_SEGMENTS = 10  # of each language
HELD_MESSAGES = 1000  # for viewers that lost their connection: more than a minute of dense speech
OUTBOX_MESSAGES = 256  # of finals alone several minutes
TRY_AGAIN_LATER = 1013  # a WebSocket close code


@dataclass(frozen=True, slots=True)
class Message:
    """What all viewers are sent; in an outbox it replaces what waits under the same `key`.

    `text` is in our wire format. `caption` is what it tells, for those who speak another one.
    """

    key: Hashable
    text: str
    sequence: int = 0
    caption: Caption | None = None

    @property
    def is_draft(self) -> bool:
        return self.caption is not None and not self.caption.is_final


class Outbox:
    """What waits to be sent to one viewer, of all languages or of some.

    A newer draft takes the place of one that waits. When OUTBOX_MESSAGES wait, the oldest draft is
    dropped; a final never is. A viewer too slow even for finals is told to connect again.
    """

    def __init__(self, languages: frozenset[str] = frozenset()) -> None:
        self.languages = languages
        self.close_code: int | None = None  # once set, nothing more is put in
        self._waiting: dict[Hashable, Message] = {}
        self._changed = asyncio.Event()

    def wants(self, message: Message) -> bool:
        caption = message.caption
        return caption is None or not self.languages or caption.language in self.languages

    def put(self, message: Message) -> int:
        """Let a message wait; return how many drafts will not be sent because of it."""
        if self.close_code is not None:
            return 0
        replaced = self._waiting.pop(message.key, None)
        self._waiting[message.key] = message
        self._changed.set()
        if len(self._waiting) <= OUTBOX_MESSAGES:
            return int(replaced is not None and replaced.is_draft)
        oldest = next((key for key, waiting in self._waiting.items() if waiting.is_draft), None)
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

    async def take(self) -> Message | None:
        """Wait for the next message; None when the connection is to be closed."""
        while not self._waiting:
            if self.close_code is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.pop(next(iter(self._waiting)))


class Hub:
    """The captions of a room, and those who read them.

    It holds the newest segments of each language for viewers that come, and the newest messages
    for those that come back.
    """

    def __init__(self, room: str) -> None:
        self.room = room
        self.viewers: set[Outbox] = set()
        self.empty = asyncio.Event()  # set while nobody reads
        self.empty.set()
        self._readers: set[Outbox] = set()  # the viewers, and who reads captions only
        self._session: str | None = None
        self._config: LiveConfig | None = None
        self._is_live = False
        self._sequence = 0
        self._held: deque[Message] = deque(maxlen=HELD_MESSAGES)
        self._newest: dict[str, dict[int, Message]] = {}  # by language and segment

    def begin(self, session: str, config: LiveConfig) -> None:
        self._session, self._config, self._is_live = session, config, True
        self._held.clear()
        self._newest.clear()
        self._tell_viewers()

    def end(self) -> None:
        """Nobody publishes any more; what the session said is held until another begins."""
        self._is_live = False
        self._tell_viewers()

    def publish(self, caption: Caption) -> int:
        """Send a caption to all; return how many drafts will not be sent because of it."""
        self._sequence += 1
        key = self._session, caption.segment_id, caption.language
        text = encode_caption(self._sequence, caption)
        message = Message(key, text, self._sequence, caption)
        self._held.append(message)
        newest = self._newest.setdefault(caption.language, {})
        newest[caption.segment_id] = message
        if len(newest) > SNAPSHOT_SEGMENTS:
            del newest[min(newest)]
        return self.send(message)

    def send(self, message: Message) -> int:
        """Send any message to all, as `publish` does."""
        return sum(reader.put(message) for reader in self._readers if reader.wants(message))

    def view(self, request: ViewRequest) -> Outbox:
        """A viewer comes: a snapshot waits for it."""
        outbox = Outbox(request.languages)
        outbox.put(self._snapshot(outbox, request))
        self.viewers.add(outbox)
        self._add(outbox)
        return outbox

    def read(self) -> Outbox:
        """Someone comes who is sent captions, but no snapshots; the newest segments wait."""
        outbox = Outbox()
        for message in self._newest_for(outbox):
            outbox.put(message)
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

    def _add(self, outbox: Outbox) -> None:
        self._readers.add(outbox)
        self.empty.clear()

    def _tell_viewers(self) -> None:
        for viewer in self.viewers:
            viewer.put(self._snapshot(viewer, ViewRequest(self.room)))

    def _snapshot(self, outbox: Outbox, request: ViewRequest) -> Message:
        missed = self._missed(outbox, request) if request.session is not None else None
        session, captions = self._session, self._newest_for(outbox) if missed is None else missed
        if not self._is_live and missed is None:
            session, captions = None, []
        text = encode_snapshot(
            self.room,
            session,
            self._config if session is not None else None,
            self._sequence,
            [message.text for message in captions],
            is_live=self._is_live,
        )
        return Message(("snapshot", session, self._is_live), text, self._sequence)

    def _missed(self, outbox: Outbox, request: ViewRequest) -> list[Message] | None:
        """What came after the last message that the viewer saw, None where not all of it is held.

        Also after the end of a session, whose last captions a lost connection may have swallowed.
        """
        before = self._held[0].sequence - 1 if self._held else self._sequence
        if request.session != self._session or not before <= request.after <= self._sequence:
            return None
        missed: dict[Hashable, Message] = {}
        for message in self._held:
            if message.sequence > request.after and outbox.wants(message):
                missed.pop(message.key, None)
                missed[message.key] = message
        return list(missed.values())

    def _newest_for(self, outbox: Outbox) -> list[Message]:
        messages = [m for newest in self._newest.values() for m in newest.values()]
        return sorted(filter(outbox.wants, messages), key=lambda message: message.sequence)
