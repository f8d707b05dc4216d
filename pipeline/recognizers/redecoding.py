"""Live speech for recognizers of whole utterances: what is open is decoded again as it grows."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Literal, NamedTuple, Protocol

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS, to_ms
from ..errors import RecognizerError
from ..events import AudioChunk, Hypothesis, Samples, Utterance, Word
from ..text.clauses import ends_sentence
from ..text.languages import language_rules
from . import Superseded, WorkerLost
from .stabilizer import Agreement, Stabilizer
from .vad import Vad, in_windows

DRAFT_STEP_MS = 500  # of new speech, after which a draft is wanted
TRIM_MS = 10_000  # of speech, after which decoding begins at the last certain sentence
SILENCE_REPORT_MS = 500
PIECE_SAMPLES = SAMPLE_RATE_HZ  # what voice activity detection is given at once: 1 s, 10 ms of work
BACKLOG_SAMPLES = 20 * SAMPLE_RATE_HZ  # of utterances that wait; then no more are cut
MOST_WAITING = 100  # utterances and flushes, however short; then no more are cut either
UTTERANCE_TRIES = 2  # workers that an utterance may cost
MOST_FAILURES = 3  # utterances in a row that are given up; then the session is

NOTHING = Agreement((), ())
EMPTY = Utterance(0, np.zeros(0, np.float32))

log = logging.getLogger(__name__)

_Mark = Literal["flush", "end"]


class Decoder(Protocol):
    """What a listener asks of the pool: see there."""

    async def recognize(
        self,
        make_utterance: Callable[[], Utterance],
        language: str,
        terms: tuple[str, ...] = (),
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = UTTERANCE_TRIES,
    ) -> list[Word]: ...

    def withdraw(self, owner: Hashable) -> None: ...


class _Over(NamedTuple):
    """An utterance that is over, and whether nobody spoke right after it."""

    utterance: Utterance
    is_end: bool


class _Flushed(NamedTuple):
    """A place up to which everything is over, in samples; with `is_last` the source is."""

    at_sample: int
    is_last: bool


class _Open(NamedTuple):
    """Where the open utterance begins, and where it ends for now."""

    since: int
    until: int


class _Heard(NamedTuple):
    """What voice activity detection makes of a piece."""

    over: list[_Over]
    open: _Open | None
    heard_sample: int


class RedecodingListener:
    """One source, decoded by workers that others may use as well.

    1. Voice activity detection hears what is pushed, in pieces, in a thread, however long decoding
       takes.
    2. An utterance that is over is decoded with care; all of that is certain.
    3. An open one is decoded as a draft when DRAFT_STEP_MS of it are new and it is the draft's
       turn; the window is what is open by then. What two decodings in a row agree on is certain.
    4. Of a long utterance leave out the sentences that are certain.

    Audio is held in three places, each bounded: as it was pushed (`ahead_ms`, by whoever pushes),
    the open utterance (`max_utterance_ms`), and utterances that wait to be decoded: beyond
    BACKLOG_SAMPLES or MOST_WAITING of them the detection stops, so that `ahead_ms` grows. Where
    decoding is slow drafts become fewer, and then none: each utterance is decoded once, and nothing
    is left out.

    An utterance on which a worker fails is given up; after MOST_FAILURES in a row, or where the
    recognizer itself says that it cannot go on, `hypotheses` raises RecognizerError.
    """

    def __init__(
        self,
        decoder: Decoder,
        language: str,
        terms: tuple[str, ...],
        make_vad: Callable[[], Vad],
    ) -> None:
        self._decoder = decoder
        self._language = language
        self._terms = terms
        self._make_vad = make_vad
        self._rules = language_rules(language)
        self._vad: Vad | None = None
        self._vad_lock = threading.Lock()  # the detection works in one thread, drafts in others
        self._stabilizer = Stabilizer()
        self._pushed: deque[Samples | _Mark] = deque()
        self._received_samples = self._taken_samples = 0
        self._over: deque[_Over | _Flushed] = deque()
        self._open: _Open | None = None
        self._silent_sample = 0  # the end of the silence that was heard last
        self._window_sample = 0  # where the next decoding begins, at the earliest
        self._decoded_sample = 0
        self._sentence_ms = 0  # the end of the last certain sentence
        self._reported_ms = 0
        self._lost = 0  # workers, over the open utterance
        self._failures = 0  # utterances in a row
        self._room = asyncio.Event()  # for the detection to go on
        self._news = asyncio.Event()  # from the detection

    @property
    def received_ms(self) -> int:
        return to_ms(self._received_samples)

    @property
    def heard_ms(self) -> int:
        return self._reported_ms

    @property
    def ahead_ms(self) -> int:
        return to_ms(self._received_samples - self._taken_samples)

    def push(self, samples: Samples) -> None:
        if samples.size:
            self._received_samples += samples.size
            self._put(samples)

    def flush(self) -> None:
        if not (self._pushed and isinstance(self._pushed[-1], str)):  # twice is as good as once
            self._put("flush")

    def end(self) -> None:
        self._put("end")

    async def begin(self) -> None:
        self._vad = await asyncio.to_thread(self._make_vad)

    async def hypotheses(self) -> AsyncGenerator[Hypothesis, None]:
        """See Listener. What is over goes first, then the draft of what is open."""
        assert self._vad is not None, "begin() comes first"
        detecting = asyncio.create_task(self._detect(self._vad))
        detecting.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                self._news.clear()
                if self._over:
                    over = self._over.popleft()
                    self._room.set()
                    if isinstance(over, _Over):
                        yield await self._final(over)  # 2.
                        continue
                    yield self._report(NOTHING, to_ms(over.at_sample), is_end=True, is_flush=True)
                    if over.is_last:
                        return
                elif self._open is not None and self._wants_draft(self._open):
                    draft = await self._draft(self._open.since)  # 3.
                    if draft is not None:
                        yield draft
                elif self._is_silence_new():
                    heard_ms = to_ms(self._silent_sample)
                    yield self._report(NOTHING, heard_ms, is_end=True)
                elif detecting.done():
                    detecting.result()  # it ended before the end: it failed
                else:
                    await self._news.wait()
        finally:
            detecting.cancel()
            await asyncio.wait([detecting])
            if not detecting.cancelled():
                detecting.exception()  # it has been raised, or nobody asks any more

    def _put(self, pushed: Samples | _Mark) -> None:
        self._pushed.append(pushed)
        self._room.set()

    async def _detect(self, vad: Vad) -> None:
        """1. Hear what is pushed, until the end."""
        mark: _Mark | None = None
        while mark != "end":
            while not self._pushed or self._is_backlog_full():
                self._room.clear()
                await self._room.wait()
            piece, mark = self._take()
            heard = await asyncio.to_thread(self._hear, vad, piece, is_flush=mark is not None)
            self._taken_samples += piece.samples.size
            self._over += heard.over
            if mark is not None:
                self._over.append(_Flushed(self._taken_samples, mark == "end"))
            self._open = heard.open
            if heard.open is None:
                self._silent_sample = max(self._silent_sample, heard.heard_sample)
            if self._over:
                self._decoder.withdraw(self)  # a draft would come too late
            self._news.set()

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
        return AudioChunk(self._taken_samples, samples)

    def _hear(self, vad: Vad, piece: AudioChunk, *, is_flush: bool) -> _Heard:
        """Give a piece to the detection. Called in a thread."""
        over: list[_Over] = []
        with self._vad_lock:
            for window in in_windows(piece):
                utterances = vad.push(window)
                over += [_Over(one, vad.speaking_since is None) for one in utterances]
            heard_sample = vad.heard_sample
            if is_flush:
                over += [_Over(one, True) for one in vad.flush()]
                heard_sample = piece.start_sample + piece.samples.size
            since = vad.speaking_since
            is_open = None if since is None else _Open(since, vad.spoken_until)
        return _Heard(over, is_open, heard_sample)

    def _is_backlog_full(self) -> bool:
        waiting = sum(one.utterance.samples.size for one in self._over if isinstance(one, _Over))
        return waiting >= BACKLOG_SAMPLES or len(self._over) >= MOST_WAITING

    def _wants_draft(self, is_open: _Open) -> bool:
        known = max(is_open.since, self._window_sample, self._decoded_sample)
        return not self._lost and is_open.until - known >= DRAFT_STEP_MS * SAMPLES_PER_MS

    def _is_silence_new(self) -> bool:
        silent_ms = to_ms(self._silent_sample)
        return self._open is None and silent_ms - self._reported_ms >= SILENCE_REPORT_MS

    async def _draft(self, since: int) -> Hypothesis | None:
        """Decode what is open, from `since`, at its turn; None where that comes to nothing."""
        window = EMPTY

        def newest() -> Utterance:
            nonlocal window
            window = self._newest_window(since)
            return window

        try:
            words = await self._decoder.recognize(
                newest, self._language, self._terms, owner=self, is_draft=True, tries=1
            )
        except Superseded:
            return None
        except Exception as error:
            self._lost += 1  # its end is tried once more
            if isinstance(error, RecognizerError) and not isinstance(error, WorkerLost):
                raise
            log.warning("a draft could not be recognized: %s", error, exc_info=_trace(error))
            return None
        if not window.samples.size:  # it ended before its turn, as is told in a moment
            await self._news.wait()
            return None
        since_ms = to_ms(window.start_sample)
        agreement = self._stabilizer.push(words, since_ms=since_ms, is_end=False)
        self._window_sample = max(self._window_sample, window.start_sample)
        self._decoded_sample = window.start_sample + window.samples.size
        self._find_sentence(agreement)
        if to_ms(window.samples.size) > TRIM_MS:  # 4.
            sentence_sample = self._sentence_ms * SAMPLES_PER_MS
            self._window_sample = max(self._window_sample, sentence_sample)
        return self._report(agreement, to_ms(self._decoded_sample), is_end=False)

    def _newest_window(self, since: int) -> Utterance:
        """What is open now, but for what needs no decoding. Called in a thread.

        Empty where the utterance that began at `since` is over: its end is to be decoded first.
        """
        assert self._vad is not None, "begin() comes first"
        with self._vad_lock:
            if self._vad.speaking_since != since:
                return EMPTY
            start = max(self._window_sample, since)
            return Utterance(start, self._vad.spoken(start))

    def _find_sentence(self, agreement: Agreement) -> None:
        """Remember where the last certain sentence ends: in the middle of the pause after it."""
        words = [*agreement.committed, *agreement.tail[:1], None]
        for word, after in zip(agreement.committed, words[1:], strict=False):
            if ends_sentence(word.text, after.text if after else None, self._rules):
                self._sentence_ms = (word.end_ms + after.start_ms) // 2 if after else word.end_ms

    async def _final(self, over: _Over) -> Hypothesis:
        """What is left of an utterance, which a split may have made shorter than it was heard."""
        start = max(self._window_sample, over.utterance.start_sample)
        samples = over.utterance.samples[start - over.utterance.start_sample :]
        words = await self._recognize_final(Utterance(start, samples))
        agreement = self._stabilizer.push(words, since_ms=to_ms(start), is_end=True)
        self._window_sample = self._decoded_sample = start + samples.size
        return self._report(agreement, to_ms(self._window_sample), is_end=over.is_end)

    async def _recognize_final(self, rest: Utterance) -> list[Word]:
        """Its words; none where it has to be given up. Raises RecognizerError."""
        tries, self._lost = UTTERANCE_TRIES - self._lost, 0
        try:
            words = await self._decoder.recognize(
                lambda: rest, self._language, self._terms, owner=self, tries=max(1, tries)
            )
        except Exception as error:
            if isinstance(error, RecognizerError) and not isinstance(error, WorkerLost):
                raise
            self._failures += 1
            log.error(
                "%.1f s of speech could not be recognized and are left out: %s",
                rest.samples.size / SAMPLE_RATE_HZ,
                error,
                exc_info=_trace(error),
            )
            if self._failures == MOST_FAILURES:
                raise RecognizerError(
                    f"recognition has failed {MOST_FAILURES} times in a row; see the log"
                ) from error
            return []
        self._failures = 0
        return words

    def _report(
        self, agreement: Agreement, heard_ms: int, *, is_end: bool, is_flush: bool = False
    ) -> Hypothesis:
        self._reported_ms = max(self._reported_ms, heard_ms)
        return Hypothesis(agreement.committed, agreement.tail, self._reported_ms, is_end, is_flush)


def _trace(error: Exception) -> Exception | None:
    """The error where its sentence does not say enough."""
    return None if isinstance(error, WorkerLost) else error
