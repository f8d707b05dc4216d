"""Those who are heard in a meeting: each is brought to the room of a server under its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from aiortc import MediaStreamTrack

from ..client.connection import Message, Server
from ..client.publishing import publish
from ..errors import RemoteError
from ..webrtc.sound import pieces
from .broadcast import Say

WAITING_PIECES = 100  # 10 s of a speaker
AGAIN_S = 15.0  # after the server has refused one
MAX_NAME_CHARS = 80  # the server's bound


class Speakers:
    """Each track is a publisher of its own, so that the server hears each speaker alone.

    What the server refuses to one, as when it has no more places, is told and tried again, and
    concerns no other. `start` is that of all, without the name.
    """

    def __init__(self, server: Server, start: Message, say: Say) -> None:
        self._server = server
        self._start = start
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, name: str, track: MediaStreamTrack) -> None:
        """Bring a track to the room until it ends."""
        sound = _Sound()
        for work in sound.take(track), self._publish(name, sound):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for the last captions of all, whose tracks have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Leave, whatever still waits."""
        for task in self._tasks:
            task.cancel()
        await self.finish()

    async def _publish(self, name: str, sound: _Sound) -> None:
        start = self._start | {"speaker": name}
        while True:
            try:
                async with aclosing(sound.audio()) as audio:
                    return await publish(self._server, start, audio, _ignore, self._say_of(name))
            except RemoteError as error:
                self._say(f"{name} is not captioned: {error}; trying again in {AGAIN_S:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(sound.is_over.wait(), AGAIN_S)
                return

    def _say_of(self, name: str) -> Say:
        return lambda line: self._say(f"{name}: {line}")


def speaker_name(name: object, otherwise: str) -> str:
    """A name as the server takes it."""
    text = name if isinstance(name, str) else ""
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown[:MAX_NAME_CHARS].strip() or otherwise


class _Sound:
    """What a track says, for whoever publishes it. Where WAITING_PIECES wait, the oldest is left
    out: a track that nobody reads grows without a bound."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_PIECES)

    async def take(self, track: MediaStreamTrack) -> None:
        """Read the track to its end."""
        try:
            async with aclosing(pieces(track)) as sound:
                async for piece in sound:
                    self._put(piece)
        finally:
            self.is_over.set()
            self._put(b"")

    async def audio(self) -> AsyncGenerator[bytes, None]:
        """What comes, until the track ends."""
        while piece := await self._waiting.get():
            yield piece

    def _put(self, piece: bytes) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(piece)


def _ignore(message: Message) -> None:
    """All captions of the room come to each speaker; who shows them reads the room once."""
