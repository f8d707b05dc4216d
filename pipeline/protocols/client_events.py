"""What a client asks of the server, in whichever vendor's wire format it says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audio:
    """The next piece of the recording: 16-bit little-endian mono PCM, whole samples."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """End the segment that is open."""


@dataclass(frozen=True, slots=True)
class Stop:
    """No more audio follows: send the last captions, and close."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The server owes this message at once."""

    message: str


ClientEvent = Audio | Flush | Stop | Reply
