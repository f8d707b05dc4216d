"""The loop with a translator that needs some steps for each request."""

from __future__ import annotations

import asyncio

from surtitle.pipeline.captions.track import CaptionTrack
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import Caption, SourceSegment, TranslationRequest, Word
from surtitle.pipeline.translators.queue import TranslationLoop
from surtitle.pipeline.translators.scheduler import Job


class Slow:
    """Each request takes as many steps as its text has words."""

    most_at_once = 4

    def __init__(self) -> None:
        self.left: dict[int, int] = {}
        self.log: list[str] = []
        self.fails = False
        self.at_work: list[int] = []  # in each step

    def check(self, source: str, target: str) -> None: ...

    def add(self, request: TranslationRequest) -> int:
        number = len(self.log)
        self.log.append(request.text)
        self.left[number] = len(request.text.split())
        return number

    def step(self) -> list[tuple[int, str]]:
        if self.fails:
            self.left.clear()
            self.fails = False
            raise TranslatorError("the graphics card has fallen out")
        self.at_work.append(len(self.left))
        self.left = {number: left - 1 for number, left in self.left.items()}
        ended = [number for number, left in self.left.items() if not left]
        return [(number, f"[{self.log[number]}]") for number in ended if self.left.pop(number) == 0]


class Room:
    """Submits segments, and knows what came of them."""

    def __init__(self) -> None:
        self.translator = Slow()
        self.loop = TranslationLoop(self.translator)
        self.track = CaptionTrack("en", "es", "fresh")
        self.shown: list[tuple[int, str | None]] = []
        self.changed = asyncio.Event()

    def submit(self, segment_id: int, text: str, *, final: bool = True, revision: int = 0) -> None:
        words = tuple(Word(word, 0, 90, 1.0) for word in text.split())
        segment = SourceSegment(segment_id, revision, words, final)
        self.loop.submit(Job("s", self.track, segment, 1000 * segment_id, self._done))

    def _done(self, job: Job, caption: Caption | None) -> None:
        self.shown.append((job.segment.segment_id, caption and caption.text))
        self.changed.set()

    async def steps(self, wanted: int) -> None:
        """Run the loop until so many captions came."""
        task = asyncio.create_task(self.loop.run())
        while len(self.shown) < wanted:
            await self.changed.wait()
            self.changed.clear()
        task.cancel()


def test_a_short_one_does_not_wait_for_a_long_one() -> None:
    room = Room()
    room.submit(1, "a sentence of many words " * 8)
    room.submit(2, "short")
    asyncio.run(room.steps(2))
    assert [segment_id for segment_id, _ in room.shown] == [2, 1]


def test_a_final_starts_from_what_the_draft_at_work_has_found() -> None:
    room = Room()
    asked = room.translator.add

    def then_comes_the_final(request: TranslationRequest) -> int:
        room.translator.add = asked  # type: ignore[method-assign]
        loop.call_soon_threadsafe(lambda: room.submit(1, "one two three four five", revision=1))
        return asked(request)

    async def speak() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        room.translator.add = then_comes_the_final  # type: ignore[method-assign]
        room.submit(1, "one two three four", final=False)
        await room.steps(2)

    loop: asyncio.AbstractEventLoop
    asyncio.run(speak())
    assert room.translator.log == ["one two three four", "one two three four five"]
    assert max(room.translator.at_work) == 1
    assert room.shown[-1] == (1, "[one two three four five]")


def test_no_more_than_so_many_are_at_work() -> None:
    room = Room()
    for segment_id in range(7):
        room.submit(segment_id, "two words")
    asyncio.run(room.steps(7))
    assert max(room.translator.at_work) == Slow.most_at_once
    assert [segment_id for segment_id, _ in room.shown] == list(range(7))


def test_after_a_failure_finals_have_their_source_and_the_next_is_translated() -> None:
    room = Room()
    room.translator.fails = True
    room.submit(1, "lost in translation")

    async def both() -> None:
        await room.steps(1)
        room.submit(2, "found again")
        await room.steps(2)

    asyncio.run(both())
    assert room.shown == [(1, "lost in translation"), (2, "[found again]")]
    assert room.loop.oldest_heard_ms("s") is None
