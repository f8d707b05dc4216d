"""What a running server carries: simulated speakers and viewers, in steps, and what each step did.

Each speaker has a room of its own and speaks for as long as the step lasts; delays are those of
`surtitle bench latency`, over all the words of all the speakers.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from ..client.connection import Message, Server, parse_caption
from ..client.publishing import publish
from ..client.real_time import start_message
from ..config import LiveConfig
from ..errors import RemoteError
from ..recognizers.recorded import RecordedSpeech
from .cost import Cost, cost_between, read_counters
from .crowd import Crowd, Receipts, reached
from .latency import Delays, delays_of
from .playing import Playing, Shown
from .speaking import with_pauses

MOST_ERRORS = 5  # that are told of a step; all are counted
WARM_UP_S = 8.0
Quantiles = dict[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How each step goes; `viewers` are of each room."""

    server: Server
    speech: Sequence[RecordedSpeech]
    config: LiveConfig
    seconds: float = 60.0
    viewers: int = 1
    jitter_ms: float = 50.0
    room: str = "load"

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= 86_400:
            raise ValueError(f"a step must last 1 to 86400 seconds, got {self.seconds:g}")
        if not 0 <= self.viewers <= 10_000:
            raise ValueError(f"viewers of a room must be 0 to 10000, got {self.viewers}")
        if not 0 <= self.jitter_ms <= 5000:
            raise ValueError(f"the jitter must be 0 to 5000 ms, got {self.jitter_ms:g}")
        if not any(one.words for one in self.speech):
            raise ValueError("nothing is said in the recordings; delays are those of words")


@dataclass(frozen=True, slots=True)
class Step:
    """What a number of speakers at once came to.

    `first` and `final` are, by language, seconds from the end of a spoken word to its share of the
    caption and to the final caption; `reach_ms` how long captions needed to each viewer, from when
    anybody had them.
    """

    speakers: int
    viewers: int
    seconds: float
    recognizer: str
    words: int
    first: dict[str, Quantiles]
    final: dict[str, Quantiles]
    reach_ms: Quantiles
    viewer_kb_s: float  # that each is sent
    open_segments: int  # that have no final caption
    missed_finals: int  # of viewers
    errors: int
    first_errors: list[str]
    cost: Cost

    @property
    def final_p95_s(self) -> float:
        """Of the language that is latest; infinite where nothing was captioned."""
        return max((of.get("p95", math.inf) for of in self.final.values()), default=math.inf)

    def holds(self, limit_s: float) -> bool:
        """Whether all that should come came, and in time."""
        is_whole = not (self.errors or self.open_segments or self.missed_finals)
        return is_whole and self.final_p95_s < limit_s


def ramp(
    try_step: Callable[[int], Step], limit_s: float, most: int, counts: Sequence[int] = ()
) -> Iterator[Step]:
    """Steps with these counts of speakers; with none, twice as many each time until one does not
    hold, then halving the gap to a tenth."""
    if counts:
        yield from map(try_step, counts)
        return
    low, high = 0, 1
    while True:
        yield (step := try_step(high))
        if not step.holds(limit_s) or high == most:
            break
        low, high = high, min(2 * high, most)
    if step.holds(limit_s):
        return
    while high - low > max(1, low // 10):
        middle = (low + high) // 2
        yield (step := try_step(middle))
        low, high = (middle, high) if step.holds(limit_s) else (low, middle)


def largest(steps: Sequence[Step], limit_s: float) -> int:
    """The most speakers that a step held, 0 for none."""
    return max((step.speakers for step in steps if step.holds(limit_s)), default=0)


def warm_up(plan: Plan) -> None:
    """Let the server load what the first session waits for. Raises RemoteError."""
    speaker = _Speaker(plan, 0, min(WARM_UP_S, plan.seconds))
    asyncio.run(speaker.speak())
    if speaker.errors:
        raise RemoteError(speaker.errors[0])


def run_step(plan: Plan, speakers: int) -> Step:
    """Let so many speak at once. Raises RemoteError where viewers are not let in."""
    voices = [_Speaker(plan, number, plan.seconds) for number in range(speakers)]
    with ExitStack() as stack:
        crowd = None
        if plan.viewers:
            rooms = [voice.room for voice in voices for _ in range(plan.viewers)]
            crowd = stack.enter_context(closing(Crowd(plan.server, rooms)))
            crowd.wait()
        before = read_counters(plan.server)
        asyncio.run(_speak(voices))
        after = read_counters(plan.server)
        viewed, crowd_s = crowd.end() if crowd is not None else (list[Receipts](), 0.0)
    return _step(plan, voices, viewed, cost_between(before, after, crowd_s))


class _Speaker:
    """One publisher, and what it was shown."""

    def __init__(self, plan: Plan, number: int, seconds: float) -> None:
        self.room = f"{plan.room}-{number}"
        self.shown: list[Shown] = []
        self.received_s: dict[int, float] = {}  # by the caption's number
        self.finals: set[int] = set()
        self.errors: list[str] = []
        self.recognizer = ""
        spoken = with_pauses(plan.speech, seconds, number)
        self.words = spoken.words
        self._plan = plan
        self._playing = Playing(spoken.samples, jitter_ms=plan.jitter_ms, seed=number)

    async def speak(self) -> None:
        start = start_message(self.room, self._plan.config)
        try:
            await publish(
                self._plan.server, start, self._playing.pieces(), self._hear, self.errors.append
            )
        except RemoteError as error:
            self.errors.append(str(error))

    def delays(self, language: str) -> Delays:
        return delays_of(language, self.shown, self.words)

    def _hear(self, message: Message) -> None:
        if message["type"] == "started":
            self.recognizer = message["recognizer"]
        if message["type"] != "caption":
            return
        self.shown.append(Shown(self._playing.at_ms, parse_caption(message)))
        self.received_s[message["sequence"]] = time.monotonic()
        if message["is_final"]:
            self.finals.add(message["sequence"])


async def _speak(voices: Sequence[_Speaker]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for voice in voices:
            tasks.create_task(voice.speak())


def _step(plan: Plan, voices: Sequence[_Speaker], viewed: Sequence[Receipts], cost: Cost) -> Step:
    languages = (plan.config.source, *plan.config.targets)
    delays = {language: [voice.delays(language) for voice in voices] for language in languages}
    at_viewers = reached(
        {voice.room: voice.received_s for voice in voices},
        {voice.room: voice.finals for voice in voices},
        viewed,
    )
    errors = [error for voice in voices for error in voice.errors]
    if at_viewers.lost:
        errors.append(f"{at_viewers.lost} viewers lost their connection")
    return Step(
        speakers=len(voices),
        viewers=plan.viewers,
        seconds=plan.seconds,
        recognizer=next((voice.recognizer for voice in voices), ""),
        words=sum(len(voice.words) for voice in voices),
        first={
            language: _quantiles([lag / 1000 for one in of for _, lag in one.first])
            for language, of in delays.items()
        },
        final={
            language: _quantiles([lag / 1000 for one in of for lag in one.final])
            for language, of in delays.items()
        },
        reach_ms=_quantiles(at_viewers.lags_ms),
        viewer_kb_s=round(_kb_s(viewed, plan.seconds), 3),
        open_segments=sum(one.open_segments for of in delays.values() for one in of),
        missed_finals=at_viewers.missed_finals,
        errors=len(errors),
        first_errors=errors[:MOST_ERRORS],
        cost=cost,
    )


def _kb_s(viewed: Sequence[Receipts], seconds: float) -> float:
    return sum(one.size_bytes for one in viewed) / max(1, len(viewed)) / seconds / 1000


def _quantiles(of: Sequence[float]) -> Quantiles:
    """None of nothing."""
    if not of:
        return {}
    return {f"p{q}": round(float(np.percentile(of, q)), 4) for q in (50, 95, 99)}
