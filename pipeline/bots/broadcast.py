"""A broadcast, whatever it comes by: in step with the clock, and waited for where it breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from ..audio.pcm import SAMPLE_RATE_HZ
from ..client.connection import Waits
from ..errors import RemoteError

PIECE_SAMPLES = SAMPLE_RATE_HZ // 10
PIECE_S = PIECE_SAMPLES / SAMPLE_RATE_HZ
PIECE_BYTES = 2 * PIECE_SAMPLES
WAITING_PIECES = 50  # 5 s, that are read ahead
STEADY_S = 20.0  # heard so long, a broadcast that breaks off is tried again soon

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Lost:
    """It is away; the next try is after `wait_s`."""

    why: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """It had a length, and that has been heard: a recording, not a broadcast."""


Heard = bytes | Lost | Over


class Receiver(Protocol):
    """What is heard at one address, and tried again by itself."""

    async def next(self) -> Heard:
        """The next piece, 16 kHz mono PCM, or what has become of the broadcast."""
        ...

    async def aclose(self) -> None: ...


class Tries:
    """When a broadcast that was lost is tried again (pure)."""

    def __init__(self) -> None:
        self._waits = Waits()

    def lost(self, why: str, heard_s: float) -> Lost:
        """It has broken off, after `heard_s`."""
        if heard_s > STEADY_S:
            self._waits.reset()
        return Lost(why, self._waits.next())


async def listen(
    name: str, receiver: Receiver, say: Say, leave_after_s: float | None
) -> AsyncGenerator[bytes, None]:
    """What is spoken, as pieces of 16 kHz mono PCM, each when its time has come.

    A broadcast that breaks off is told to `say`; until it is heard again there is silence, so that
    the times of captions stay those of the clock. It ends where one with a length is over, and
    where one has been away for `leave_after_s`. Raises RemoteError where it cannot be heard the
    first time.
    """
    clock = asyncio.get_running_loop().time
    due_s, lost_s, has_begun = clock(), None, False  # `due_s`: when the next piece has been spoken
    try:
        while True:
            got = await _within(None if lost_s is None else PIECE_S, receiver)
            if isinstance(got, Over):
                return
            if isinstance(got, Lost):
                if not has_begun:
                    raise RemoteError(f"{got.why}; is it on the air, and the address right?")
                say(f"{got.why}; trying again in {got.wait_s:g} s")
                lost_s = lost_s or clock()
            elif got:
                if lost_s is not None:
                    say(f"{name} is heard again")
                lost_s, has_begun = None, True
                await asyncio.sleep(due_s - clock())  # what comes in bursts is spread
                due_s += len(got) / 2 / SAMPLE_RATE_HZ
                yield got
            if lost_s is None:
                continue
            while due_s <= clock():
                due_s += PIECE_S
                yield bytes(PIECE_BYTES)
            if leave_after_s is not None and clock() - lost_s > leave_after_s:
                say(f"{name} has been away for {leave_after_s:g} s")
                return
    finally:
        await receiver.aclose()


def shown(url: str) -> str:
    """An address without what may be a secret in it: its user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


async def _within(timeout_s: float | None, receiver: Receiver) -> Heard:
    """Empty where nothing comes in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await receiver.next()
    except TimeoutError:
        return b""
