"""Where somebody speaks in live audio, found in a thread, however long recognizing takes."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ
from ..events import AudioChunk, Samples, Utterance
from .vad import Vad

PIECE_SAMPLES = SAMPLE_RATE_HZ  # what is heard at once: 1 s, 10 ms of work
BACKLOG_SAMPLES = 20 * SAMPLE_RATE_HZ  # of utterances that wait; then no more are cut
MOST_WAITING = 100  # utterances and flushes, however short; then no more are cut either
EMPTY = Utterance(0, np.zeros(0, np.float32))

_Mark = Literal["flush", "end"]


class Over(NamedTuple):
    """An utterance that is over, and whether nobody spoke right after it."""

    utterance: Utterance
    is_end: bool


class Flushed(NamedTuple):
    """A place up to which everything is over, in samples; with `is_last` the source is."""

    at_sample: int
    is_last: bool


class Open(NamedTuple):
    """Where the open utterance begins, and where it ends for now, in samples."""

    since: int
    until: int


class _Heard(NamedTuple):
    """What a piece comes to."""

    over: list[Over]
    open: Open | None
    heard_sample: int


class Detection:
    """Voice activity detection of one source: audio is pushed, utterances wait to be taken.

    Audio is held in three places, each bounded: as it was pushed (by whoever pushes), the open
    utterance (`max_utterance_ms`), and utterances that wait: beyond BACKLOG_SAMPLES or MOST_WAITING
    of them nothing more is heard until one is taken, so that what was pushed grows.

    Everything is called on the event loop, but for `window`.
    """

    def __init__(self, make_vad: Callable[[], Vad]) -> None:
        self.received_samples = 0
        self.taken_samples = 0  # of these, as far as they are heard
        self.open: Open | None = None
        self.silent_sample = 0  # the end of the silence that was heard last
        self.news = asyncio.Event()  # set when a piece has been heard
        self._make_vad = make_vad
        self._vad: Vad | None = None
        self._vad_lock = threading.Lock()  # it hears in one thread, windows are made in others
        self._pushed: deque[Samples | _Mark] = deque()
        self._over: deque[Over | Flushed] = deque()
        self._room = asyncio.Event()  # to go on

    def push(self, samples: Samples) -> None:
        if samples.size:
            self.received_samples += samples.size
            self._put(samples)

    def flush(self) -> None:
        if not (self._pushed and isinstance(self._pushed[-1], str)):  # twice is as good as once
            self._put("flush")

    def end(self) -> None:
        self._put("end")

    async def begin(self) -> None:
        """Load what is needed. Raises RecognizerError."""
        self._vad = await asyncio.to_thread(self._make_vad)

    async def run(self, tell_over: Callable[[], None]) -> None:
        """Hear what is pushed, until the end; `tell_over` hears of what is over, each time."""
        assert self._vad is not None, "begin() comes first"
        mark: _Mark | None = None
        while mark != "end":
            while not self._pushed or self._is_backlog_full():
                self._room.clear()
                await self._room.wait()
            piece, mark = self._take()
            heard = await asyncio.to_thread(self._hear, self._vad, piece, is_flush=mark is not None)
            self.taken_samples += piece.samples.size
            self._over += heard.over
            if mark is not None:
                self._over.append(Flushed(self.taken_samples, mark == "end"))
            self.open = heard.open
            if heard.open is None:
                self.silent_sample = max(self.silent_sample, heard.heard_sample)
            if self._over:
                tell_over()
            self.news.set()

    def take(self) -> Over | Flushed | None:
        """What was over first; None where nothing waits."""
        self._room.set()
        return self._over.popleft() if self._over else None

    def window(self, since: int, start_sample: int) -> Utterance:
        """What is open now, from `start_sample` on. May be called in a thread.

        Empty where the utterance that began at `since` is over: its end is to be decoded first.
        """
        assert self._vad is not None, "begin() comes first"
        with self._vad_lock:
            if self._vad.speaking_since != since:
                return EMPTY
            start_sample = max(start_sample, since)
            return Utterance(start_sample, self._vad.spoken(start_sample))

    def _put(self, pushed: Samples | _Mark) -> None:
        self._pushed.append(pushed)
        self._room.set()

    def _take(self) -> tuple[AudioChunk, _Mark | None]:
        """What was pushed first, in one piece; with the mark that follows, if it is the next."""
        parts: list[Samples] = []
        room = PIECE_SAMPLES
        while room and self._pushed:
            part = self._pushed.popleft()
            if isinstance(part, str):
                return self._piece(parts), part
            parts.append(part[:room])
            if part.size > room:
                self._pushed.appendleft(part[room:])
            room -= parts[-1].size
        return self._piece(parts), None

    def _piece(self, parts: list[Samples]) -> AudioChunk:
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return AudioChunk(self.taken_samples, samples)

    def _hear(self, vad: Vad, piece: AudioChunk, *, is_flush: bool) -> _Heard:
        """Give a piece to the detection. Called in a thread."""
        over: list[Over] = []
        with self._vad_lock:
            over += [Over(one, vad.speaking_since is None) for one in vad.cut(piece)]
            heard_sample = vad.heard_sample
            if is_flush:
                over += [Over(one, True) for one in vad.flush()]
                heard_sample = piece.start_sample + piece.samples.size
            since = vad.speaking_since
            is_open = None if since is None else Open(since, vad.spoken_until)
        return _Heard(over, is_open, heard_sample)

    def _is_backlog_full(self) -> bool:
        waiting = sum(one.utterance.samples.size for one in self._over if isinstance(one, Over))
        return waiting >= BACKLOG_SAMPLES or len(self._over) >= MOST_WAITING
