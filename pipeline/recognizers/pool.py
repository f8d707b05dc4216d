"""The recognizers of a process, and whose turn it is: finals first, then drafts as time allows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import Utterance, Word
from . import LanguageGuess, Recognizer, Superseded, WorkerGone, WorkerLost, check_language
from .cost import Cost
from .redecoding import Decoder, RedecodingListener
from .vad import Vad, Vads

TRIES = 2  # an utterance that has cost so many workers is given up
DRAFT_SHARE = 0.6  # of the workers' time: the rest is for finals, which come when they come

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class DraftBudget:
    """How often drafts may be made, so that all together take at most a share of the workers.

    A draft that has taken a second is followed by a time in which none begins, so long that the
    share is kept. Pure: the time comes in.
    """

    def __init__(self, share: float, workers: int) -> None:
        self._rate = share * workers  # seconds of drafts in a second
        self._free_s = 0.0  # from then on a draft may begin

    def spend(self, began_s: float, work_s: float) -> None:
        self._free_s = max(self._free_s, began_s) + work_s / self._rate

    def wait_s(self, now_s: float) -> float:
        return max(0.0, self._free_s - now_s)


@dataclass(slots=True, eq=False)
class _Place(Generic[Answer]):
    """A request that waits or is at work; made on the event loop.

    `is_measured`: it tells what recognizing costs.
    """

    make_utterance: Callable[[], Utterance]
    ask: Callable[[Recognizer, Utterance], Answer]
    owner: Hashable
    is_draft: bool
    tries: int
    is_measured: bool = True
    answer: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class _Done(NamedTuple):
    answer: Any
    sound_s: float
    began_s: float
    work_s: float


class RecognizerPool:
    """Workers that are alike, each at one utterance at a time, in a thread of its own.

    1. Finals go first, in the order in which they came.
    2. A draft is given its turn when no final waits and the budget allows it; its utterance is made
       only then, so that it is the newest. Drafts keep their places: those of all sources take
       turns.
    3. A worker that is lost (WorkerLost) replaces itself, and the utterance is heard again, by the
       next that is idle. One that cannot (WorkerGone) leaves, as long as there are others.

    Whoever asks waits for the answer before asking again, so that no more waits than there are
    sources. Cancelling who waits gives up the place; a worker at work is not interrupted.
    """

    def __init__(
        self,
        workers: Sequence[Recognizer],
        *,
        make_vad: Callable[[VadConfig], Vad] | None = None,
        draft_share: float = DRAFT_SHARE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The pool closes the workers. `make_vad` says what hears where somebody speaks, if not
        Silero; `clock` what the time is, in seconds."""
        if not workers:
            raise ValueError("a pool needs at least one recognizer")
        self._workers = list(workers)
        self._make_vad = make_vad or Vads().make
        self._clock = clock
        self._idle = list(workers)
        self._threads = ThreadPoolExecutor(len(workers), thread_name_prefix="recognizer")
        self._finals: deque[_Place[Any]] = deque()
        self._drafts: deque[_Place[Any]] = deque()
        self._draft_share = draft_share
        self._budget = DraftBudget(draft_share, len(workers))
        self._cost = Cost()
        self._later: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def name(self) -> str:
        return self._workers[0].name

    @property
    def languages(self) -> frozenset[str]:
        return self._workers[0].languages

    @property
    def is_written(self) -> bool:
        return self._workers[0].is_written

    @property
    def uses_terms(self) -> bool:
        return self._workers[0].uses_terms

    @property
    def live_vad(self) -> VadConfig:
        return self._workers[0].live_vad

    @property
    def cost(self) -> float | None:
        """Seconds of work of one worker per second of sound, of late; None before the first."""
        return self._cost.per_second

    def cost_in(self, language: str) -> float | None:
        """`cost`: it is the same in each language."""
        return self.cost

    def open_listener(
        self, language: str, terms: tuple[str, ...], decoder: Decoder | None = None
    ) -> RedecodingListener:
        """Begin to listen to a source; `terms` are names and expressions to expect.

        `decoder` is asked for words in place of this pool. Raises RecognizerError for a language
        that the recognizer does not know, and for AUTO where it knows only one.
        """
        check_language(self, language)
        make_vad = partial(self._make_vad, self.live_vad)
        return RedecodingListener(decoder or self, language, terms, make_vad)

    async def recognize(
        self,
        make_utterance: Callable[[], Utterance],
        language: str,
        terms: tuple[str, ...] = (),
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = TRIES,
    ) -> list[Word]:
        """Wait for a turn, then recognize what `make_utterance` returns, called in a thread.

        Raises what the recognizer raises; WorkerLost when `tries` workers were lost over it; for a
        draft also Superseded.
        """

        def ask(worker: Recognizer, utterance: Utterance) -> list[Word]:
            if not utterance.samples.size:
                return []
            return worker.recognize(utterance, language, terms, is_draft=is_draft)

        place = _Place(make_utterance, ask, owner, is_draft, tries)
        return await self._answer(place)

    async def guess_language(
        self,
        make_utterance: Callable[[], Utterance],
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = TRIES,
    ) -> LanguageGuess | None:
        """As `recognize`: the language that is spoken; None where there is nothing to hear."""

        def ask(worker: Recognizer, utterance: Utterance) -> LanguageGuess | None:
            return worker.guess_language(utterance) if utterance.samples.size else None

        place = _Place(make_utterance, ask, owner, is_draft, tries, is_measured=False)
        return await self._answer(place)

    def withdraw(self, owner: Hashable) -> None:
        """Let the owner's draft that waits for its turn fail with Superseded."""
        for place in self._drafts:
            if place.owner == owner and not place.answer.done():
                place.answer.set_exception(Superseded())

    async def aclose(self) -> None:
        """End the workers; who waits gets RecognizerError."""
        self._is_closed = True
        if self._later is not None:
            self._later.cancel()
        for place in (*self._finals, *self._drafts):
            if not place.answer.done():
                place.answer.set_exception(RecognizerError("the recognizer is closed"))
        for worker in self._workers:
            await asyncio.to_thread(worker.close)
        await asyncio.to_thread(self._threads.shutdown)

    async def _answer(self, place: _Place[Answer]) -> Answer:
        if self._is_closed:
            raise RecognizerError("the recognizer is closed")
        (self._drafts if place.is_draft else self._finals).append(place)
        self._grant()
        return await place.answer

    def _grant(self) -> None:
        """Give idle workers to those whose turn it is."""
        loop = asyncio.get_running_loop()
        while self._idle and not self._is_closed and (place := self._next(loop)) is not None:
            worker = self._idle.pop()
            work = self._threads.submit(self._work, worker, place)
            work.add_done_callback(
                lambda work, worker=worker, place=place: loop.call_soon_threadsafe(
                    self._finish, worker, place, work
                )
            )

    def _next(self, loop: asyncio.AbstractEventLoop) -> _Place[Any] | None:
        for places in self._finals, self._drafts:
            while places and places[0].answer.done():  # cancelled or withdrawn
                places.popleft()
        if self._finals:
            return self._finals.popleft()
        if not self._drafts:
            return None
        wait_s = self._budget.wait_s(self._clock())
        if not wait_s:
            return self._drafts.popleft()
        if self._later is not None:
            self._later.cancel()
        self._later = loop.call_later(wait_s, self._grant)
        return None

    def _finish(self, worker: Recognizer, place: _Place[Any], work: Future[_Done]) -> None:
        error = work.exception()
        if isinstance(error, WorkerGone) and len(self._workers) > 1:
            self._leave(worker, error)
            self._put_back(place)
        elif isinstance(error, WorkerLost) and place.tries > 1:
            self._idle.insert(0, worker)  # it begins anew: the others go first
            place.tries -= 1
            log.warning("%s; what it heard is recognized again", error)
            self._put_back(place)
        else:
            self._idle.append(worker)
            self._tell(place, work)
        self._grant()

    def _leave(self, worker: Recognizer, error: WorkerGone) -> None:
        self._workers.remove(worker)
        self._budget = DraftBudget(self._draft_share, len(self._workers))
        log.error("%s; recognizers that are left: %d", error, len(self._workers))
        worker.close()

    def _put_back(self, place: _Place[Any]) -> None:
        if not self._is_closed:
            (self._drafts if place.is_draft else self._finals).appendleft(place)
        elif not place.answer.done():
            place.answer.set_exception(RecognizerError("the recognizer is closed"))

    def _tell(self, place: _Place[Any], work: Future[_Done]) -> None:
        error = work.exception()
        if isinstance(error, StopIteration):  # a future refuses it
            error = RuntimeError(repr(error))
        if error is not None:
            if not place.answer.done():
                place.answer.set_exception(error)
            return
        done = work.result()
        if done.sound_s and place.is_measured:
            self._cost.add(done.sound_s, done.work_s)
        if place.is_draft:
            self._budget.spend(done.began_s, done.work_s)
        if not place.answer.done():
            place.answer.set_result(done.answer)

    def _work(self, worker: Recognizer, place: _Place[Any]) -> _Done:
        """Ask in a worker's thread."""
        utterance = place.make_utterance()
        began_s = self._clock()
        answer = place.ask(worker, utterance)
        work_s = self._clock() - began_s
        return _Done(answer, utterance.samples.size / SAMPLE_RATE_HZ, began_s, work_s)
