"""Wire formats, one per file: messages to events and back, without sockets (pure).

Here stands the contract that they share. A dialect is one connection in one format: bytes in,
`ClientEvent`s out; what happens in the room in, messages out.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..config import LiveConfig
from ..events import SessionEvent

MAX_FAULTS = 10  # wrong messages in a row, of which the last lets a vendor's client go


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a session in a room; what audio follows is at `sample_rate_hz`.

    With the name of a `speaker`: join those who speak in the room.
    """

    room: str
    config: LiveConfig
    sample_rate_hz: int
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with the session that has this key."""

    key: str


@dataclass(frozen=True, slots=True)
class View:
    """Read a room; no `languages` are all of them, AUTO is what is spoken, in whatever language.

    After a lost connection: `session` and `after`, the sequence number of the last message seen.
    """

    room: str
    languages: frozenset[str] = frozenset()
    session: str | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class Audio:
    """The next piece of the recording: 16-bit little-endian mono PCM, whole samples.

    `speaker` is who says it, where one connection brings several.
    """

    pcm: bytes
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Retarget:
    """The languages to translate into are others now, for each speaker: see MeetingDialect."""


@dataclass(frozen=True, slots=True)
class Flush:
    """End the segment that is open."""


@dataclass(frozen=True, slots=True)
class Stop:
    """No more audio follows: send the last captions, and close."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The client is owed this message at once."""

    message: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client is owed this message, which is the last: the connection is closed after it."""

    message: str


ClientEvent = Start | Resume | View | Audio | Retarget | Flush | Stop | Reply | Refuse


@dataclass(frozen=True, slots=True)
class Started:
    """A session listens, as its own client is told.

    `received_samples` of the client's audio have arrived; `notices` are sentences for the speaker.
    """

    room: str
    session_id: str
    resume_key: str
    config: LiveConfig
    recognizer: str
    notices: tuple[str, ...]
    received_samples: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a room shows at a moment; `session_id` and `config` are None where nobody has spoken."""

    room: str
    session_id: str | None
    config: LiveConfig | None
    captions: tuple[Published, ...]
    is_live: bool


RoomEvent = SessionEvent | Started | Snapshot
Encoder = Callable[["Published"], str]


class Published:
    """An event and its number in its room, as all connections of the room share it.

    `sequence` grows with each caption; other events have that of the caption before them.
    """

    __slots__ = ("_encoded", "event", "sequence")

    def __init__(self, sequence: int, event: RoomEvent) -> None:
        self.sequence = sequence
        self.event = event
        self._encoded: dict[Encoder, str] = {}

    def encoded(self, encode: Encoder) -> str:
        """What `encode` makes of it: made once, however many connections ask."""
        text = self._encoded.get(encode)
        if text is None:
            text = self._encoded[encode] = encode(self)
        return text


class Dialect(Protocol):
    """One connection in one wire format. `receive` raises for nothing that a client may send."""

    can_resume: bool  # a session waits for a client that has lost its connection

    def begin(self) -> list[ClientEvent]:
        """What the connection itself asks for, before the first message."""
        ...

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message: a text one, or a binary one."""
        ...

    def encode(self, published: Published) -> list[str]:
        """The messages to send for what happens; Ended or Failed is the last that happens."""
        ...

    def error(self, code: str, message: str) -> str:
        """The last message of a connection that is refused; codes are the caption protocol's."""
        ...


class MeetingDialect(Dialect, Protocol):
    """One connection that brings all who speak in a room; each is started when it is heard."""

    def start(self, speaker: str) -> Start: ...

    def targets(self, speaker: str) -> tuple[str, ...]:
        """What is said by a speaker is to be translated into these languages from now on."""
        ...

    def forget(self, speaker: str) -> None:
        """Nothing was heard of a speaker for long: what comes is a new beginning."""
        ...


def encode_json(fields: dict[str, Any]) -> str:
    """As a message. Half a surrogate pair, which no text message can carry, becomes a "?"."""
    text = json.dumps(fields, ensure_ascii=False)
    return text if text.isascii() else text.encode(errors="replace").decode()


def decode_json(message: str) -> Any:
    """What a text message says. Raises ValueError where it says nothing that could be answered."""
    try:
        value = json.loads(message)
        if "\\u" in message:  # only so can half a surrogate pair come in
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a message holds half a surrogate pair, which is no text") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a text message must be JSON: {error}") from error
    return value


class Faults:
    """How often in a row a client was wrong, where that does not end the connection at once."""

    def __init__(self) -> None:
        self._count = 0

    def forget(self) -> None:
        """A message was understood."""
        self._count = 0

    def answer(self, message: str) -> Reply | Refuse:
        """The error that a wrong message is answered with; of MAX_FAULTS it is the last."""
        self._count += 1
        return Reply(message) if self._count < MAX_FAULTS else Refuse(message)


def shown(value: object) -> str:
    """A client's value for an error message: short, whatever it is."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, 80, 80
    return short.repr(value)
