"""One session in a room: fed by its publisher, watched over until it ends or fails."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from ..audio.resampler import Resampler
from ..config import LiveConfig, ServerConfig
from ..errors import RefusedError
from ..events import Ended, Failed, Status
from ..live import Session
from .conversation import Voice
from .first_sound import FirstSound
from .hub import Hub, Outbox
from .storage.stored_first import StoredFirst

SAMPLE_BYTES = 2
TAKEN_OVER = 4000  # a WebSocket close code


class LiveSession:
    """A speaker in a room. Who feeds it may lose its connection, and come back within a time.

    Made by `Rooms.start`. Everything is called on the event loop, and nothing blocks.
    """

    def __init__(
        self,
        session_id: str,
        session: Session,
        captions: StoredFirst,
        hub: Hub,
        config: LiveConfig,
        sample_rate_hz: int,
        server: ServerConfig,
        voice: Voice | None,
    ) -> None:
        """`session_id` is what readers are told; speakers of a conversation, in which each has a
        `voice`, share it."""
        self.id = session_id
        self.resume_key = secrets.token_urlsafe(16)
        self.is_resumable = False  # the publisher has been told the key
        self.hub = hub
        self.config = config
        self.sample_rate_hz = sample_rate_hz
        self.received_samples = 0  # at the publisher's rate
        self.session = session
        self.untranslated_drafts = self.withheld_drafts = 0  # as far as they were counted
        self.is_over = False
        self._listener = session.listener
        self._captions = captions
        self._server = server
        self._voice = voice
        self._resampler = Resampler(sample_rate_hz)
        self._first_sound = FirstSound(sample_rate_hz)
        self._outbox: Outbox | None = None  # of the publisher, while it is connected
        self._absence: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._begun = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def push(self, pcm: bytes) -> None:
        """Take the next audio, whole samples of 16-bit little-endian mono. Raises RefusedError."""
        if self._is_stopped:
            return
        sample_count = len(pcm) // SAMPLE_BYTES
        ahead_ms = self._listener.ahead_ms + 1000 * sample_count // self.sample_rate_hz
        if ahead_ms > self._server.max_ahead_ms:
            raise RefusedError(
                "too_fast",
                f"audio would be {ahead_ms / 1000:.1f} s ahead of what has been heard, "
                f"{self._server.max_ahead_ms / 1000:g} s are allowed; send it as it is spoken",
            )
        if self._voice is not None:
            self._voice.begin(asyncio.get_running_loop().time())
        self.received_samples += sample_count
        samples = self._resampler.push(pcm)
        self._first_sound.push(samples)
        self.session.push(samples)

    def status(self) -> Status:
        status = self.session.status()
        odd = self._first_sound.notice(status.heard_ms, self.session.word_count)
        return replace(status, notice=status.notice or odd)

    def flush(self) -> None:
        """End the segment that is open."""
        self._listener.flush()

    def stop(self) -> None:
        """Let the session end when all that was pushed is captioned."""
        if self._is_stopped:
            return
        self._is_stopped = True
        try:
            self.session.push(self._resampler.flush())
            self._listener.end()
        except Exception as error:
            self.fail(error)

    @contextmanager
    def attached(self) -> Generator[Outbox, None, None]:
        """A publisher is connected, and reads the captions; it takes the place of another one."""
        if self._outbox is not None:
            self._outbox.close(TAKEN_OVER)
            self.hub.leave(self._outbox)
        if self._absence is not None:
            self._absence.cancel()
        self._outbox = outbox = self.hub.read()
        try:
            yield outbox
        finally:
            self.hub.leave(outbox)
            if self._outbox is outbox:
                self._outbox = None
                loop = asyncio.get_running_loop()
                wait_s = self._server.resume_s if self.is_resumable else 0.0
                self._absence = loop.call_later(wait_s, self.stop)

    def fail(self, error: Exception) -> None:
        """End the session at once: something that belongs to it alone went wrong."""
        if not self._failure.done():
            self._failure.set_exception(error)

    async def begun(self) -> None:
        """Wait until the recognizer listens, or the session is over."""
        await self._begun.wait()

    async def run(self) -> None:
        """Listen until the end. Raises whatever has ended the session before it."""
        showing = asyncio.create_task(self._captions.run())
        try:
            async with asyncio.TaskGroup() as tasks:
                watched = self._begin(), self._fail(), self._watch(showing)
                watching = [tasks.create_task(each) for each in watched]
                await self.session.run()
                for task in watching:
                    task.cancel()
        except ExceptionGroup as errors:  # the first has cancelled the others
            raise errors.exceptions[0] from None
        finally:
            self._captions.end()
            await showing  # also what was final before a failure

    async def _begin(self) -> None:
        await self.session.begun()
        self._begun.set()

    async def _fail(self) -> None:
        await self._failure

    async def _watch(self, showing: asyncio.Task[None]) -> None:
        await asyncio.shield(showing)

    def tell(self, event: Status | Ended | Failed) -> None:
        """Send the publisher, if it is connected, what concerns it alone."""
        if self._outbox is not None:
            self.hub.tell(self._outbox, event)

    def close(self, code: int) -> None:
        """The session is over: let the publisher go when it has been told so."""
        self.is_over = True
        if self._absence is not None:
            self._absence.cancel()
        if self._outbox is not None:
            self._outbox.close(code)
        self._begun.set()
