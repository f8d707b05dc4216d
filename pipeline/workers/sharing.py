"""A long recording is heard by several processes at once; no Ray in here.

One process cuts it into utterances, as it would alone, and each of them is recognized for itself:
who does that changes no word.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..audio.pcm import SAMPLE_RATE_HZ
from ..cluster import WorkersLost
from ..events import Utterance, Word
from ..listening import Heard
from ..recognizers import Recognizer

PIECE_SAMPLES = 120 * SAMPLE_RATE_HZ  # of speech, which a helper gets at once: 8 MB

Place = tuple[int, int]  # of an utterance: in which pass over the recording, and its first sample
Words = list[list[Word]]  # of several utterances
Ask = Callable[[list[Utterance], str, tuple[str, ...]], Awaitable[Words]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Piece:
    """Utterances that somebody hears, and their words. `begin_ms`: how much of the recording was
    read when it was taken."""

    begin_ms: int
    utterances: list[Utterance] = field(default_factory=list[Utterance])
    words: asyncio.Future[Words] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Sharing:
    """Hears the utterances of a recording with the recognizer of this process, and with helpers
    that come meanwhile: each takes what comes next, and nothing is read that nobody hears at once.
    What a helper leaves when it is lost is heard here.
    """

    def __init__(self, recognizer: Recognizer, known: Mapping[Place, list[Word]]) -> None:
        """`known` are words that another process, which was lost, has heard."""
        self._recognizer = recognizer
        self._known = known
        self._fresh: dict[Place, list[Word]] = {}
        self._turn = asyncio.Lock()  # of the recognizer
        self._helpers: list[Ask] = []
        self._pass: _Pass | None = None
        self._passes = 0
        self._read_ms = 0

    @property
    def done_ms(self) -> int:
        """How much of the recording is heard."""
        if self._pass is not None and self._pass.pieces:
            return self._pass.pieces[0].begin_ms
        return self._read_ms

    @property
    def wants_help(self) -> bool:
        """Whether there is more to hear than is being heard."""
        return self._pass is not None and not self._pass.is_read

    def read(self, done_ms: int) -> None:
        """So much of the recording is read."""
        self._read_ms = done_ms

    def fresh(self) -> dict[Place, list[Word]]:
        """What was heard since this was asked last."""
        found, self._fresh = self._fresh, {}
        return found

    def help(self, helper: Ask) -> None:
        """From now on. It raises WorkersLost when it is lost, and else RecognizerError."""
        self._helpers.append(helper)
        if self._pass is not None:
            self._pass.begin(self._helped(self._pass, helper))

    async def hear(
        self, utterances: AsyncGenerator[Utterance, None], language: str, terms: tuple[str, ...]
    ) -> AsyncGenerator[Heard, None]:
        """See listening.Hearing; one pass at a time."""
        self._passes += 1
        current = self._pass = _Pass(self._passes, utterances, language, terms)
        current.begin(self._alone(current))
        for helper in self._helpers:
            current.begin(self._helped(current, helper))
        try:
            async for heard in current.in_order():
                yield heard
        finally:
            self._pass = None
            await current.end()

    async def _alone(self, current: _Pass) -> None:
        while (piece := await current.take(1, self._read_ms)) is not None:
            await self._answer(current, piece, self._here)

    async def _helped(self, current: _Pass, helper: Ask) -> None:
        while (piece := await current.take(PIECE_SAMPLES, self._read_ms)) is not None:
            try:
                await self._answer(current, piece, helper)
            except WorkersLost as error:
                log.warning("a helper was lost (%s); what it had is heard here", error)
                self._helpers.remove(helper)
                await self._answer(current, piece, self._here)
                break

    async def _answer(self, current: _Pass, piece: _Piece, ask: Ask) -> None:
        """Raises WorkersLost."""
        at_places = {(current.number, each.start_sample): each for each in piece.utterances}
        words = {place: self._known[place] for place in at_places if place in self._known}
        missing = [place for place in at_places if place not in words]
        try:
            if missing:
                utterances = [at_places[place] for place in missing]
                found = await ask(utterances, current.language, current.terms)
                heard = dict(zip(missing, found, strict=True))
                self._fresh |= heard
                words |= heard
        except WorkersLost:
            raise
        except Exception as error:  # raised where the words are waited for
            piece.words.set_exception(error)
        else:
            piece.words.set_result([words[place] for place in at_places])

    async def _here(
        self, utterances: list[Utterance], language: str, terms: tuple[str, ...]
    ) -> Words:
        async with self._turn:
            return [
                await asyncio.to_thread(self._recognizer.recognize, each, language, terms)
                for each in utterances
            ]


class _Pass:
    """One pass over a recording, or a channel of it."""

    def __init__(
        self,
        number: int,
        utterances: AsyncGenerator[Utterance, None],
        language: str,
        terms: tuple[str, ...],
    ) -> None:
        self.number, self.language, self.terms = number, language, terms
        self.pieces: deque[_Piece] = deque()  # that are taken, and not all heard
        self.is_read = False
        self._utterances = utterances
        self._reading = asyncio.Lock()
        self._has_come = asyncio.Event()  # a piece
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def take(self, samples: int, begin_ms: int) -> _Piece | None:
        """The next utterances, so many samples or more, or what is left; None where all is read."""
        async with self._reading:
            if self.is_read:
                return None
            piece = _Piece(begin_ms)
            self.pieces.append(piece)
            self._has_come.set()
            size = 0
            try:
                while size < samples:
                    utterance = await anext(self._utterances, None)
                    if utterance is None:
                        self.is_read = True
                        break
                    piece.utterances.append(utterance)
                    size += utterance.samples.size
            except Exception as error:  # of the recording: raised where the words are waited for
                self.is_read = True
                piece.words.set_exception(error)
                return None
            return piece

    async def in_order(self) -> AsyncGenerator[Heard, None]:
        """Raises what was raised over the first piece that has failed."""
        while self.pieces or not self.is_read:
            if not self.pieces:
                self._has_come.clear()
                await self._has_come.wait()
            words = await self.pieces[0].words
            for heard in zip(self.pieces[0].utterances, words, strict=True):
                yield heard
            self.pieces.popleft()

    async def end(self) -> None:
        """Let go of what is not heard."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for piece in self.pieces:
            piece.words.cancel()
            with suppress(asyncio.CancelledError):
                piece.words.exception()  # which nobody waits for any more
