"""Whose turn it is, and whose error: the queue before a translator that answers when told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators.queue import Priority, Superseded, TranslationQueue

from ...patience import PATIENCE_S
from ..scripted_translator import ScriptedTranslator

FINAL, DRAFT, FILE = Priority


class Desk:
    """Asks the queue, each request in a task of its own."""

    def __init__(self, **options: object) -> None:
        self.translator = ScriptedTranslator(**options)  # type: ignore[arg-type]
        self.queue = TranslationQueue(self.translator)

    async def ask(
        self,
        text: str,
        key: object = None,
        priority: Priority = FINAL,
        owner: str = "a",
        heard_ms: int = 0,
    ) -> asyncio.Task[str]:
        """A request that stands in the queue, or is at work; without a key, its text is one."""
        task = asyncio.create_task(
            self.queue.translate(
                lambda: TranslationRequest(text, "en", "es"),
                key=text if key is None else key,
                priority=priority,
                owner=owner,
                heard_ms=heard_ms,
            )
        )
        await settle()
        return task


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario: Callable[[Desk], Awaitable[None]], **options: object) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario(Desk(**options))

    asyncio.run(within())


def test_finals_go_before_drafts_and_drafts_before_files() -> None:
    async def scenario(desk: Desk) -> None:
        asked = [await desk.ask("first")]
        for text, priority in ("file", FILE), ("draft", DRAFT), ("one", FINAL), ("two", FINAL):
            asked.append(await desk.ask(text, priority=priority))
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(*asked)
        assert desk.translator.texts == ["first", "one", "two", "draft", "file"]

    run(scenario, at_once=1, holds=True)


def test_no_more_are_at_work_than_the_translator_likes() -> None:
    async def scenario(desk: Desk) -> None:
        asked = [await desk.ask(str(n)) for n in range(7)]
        assert len(desk.translator.at_work) == 4
        assert desk.queue.queued("a") == 3
        for _ in asked:
            desk.translator.release_oldest()
            await settle()
        assert [await task for task in asked] == [f"[es] {n}" for n in range(7)]
        assert desk.translator.most_at_work == 4

    run(scenario, at_once=4, holds=True)


def test_a_short_one_does_not_wait_for_a_long_one_beside_it() -> None:
    async def scenario(desk: Desk) -> None:
        long, short = await desk.ask("long"), await desk.ask("short")
        desk.translator.release("short")
        assert await short == "[es] short"
        assert not long.done()
        desk.translator.release("long")
        assert await long == "[es] long"

    run(scenario, holds=True)


def test_a_newer_revision_takes_the_place_of_the_one_that_waits() -> None:
    async def scenario(desk: Desk) -> None:
        busy = await desk.ask("busy")
        old = await desk.ask("a 0", "a", DRAFT)
        other = await desk.ask("b 0", "b", DRAFT)
        new = await desk.ask("a 1", "a", DRAFT)
        with pytest.raises(Superseded):
            await old
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(busy, other, new)
        assert desk.translator.texts == ["busy", "a 1", "b 0"]  # its place, not the end

    run(scenario, at_once=1, holds=True)


def test_a_final_takes_the_place_of_its_waiting_draft_among_the_finals() -> None:
    async def scenario(desk: Desk) -> None:
        busy = await desk.ask("busy")
        draft = await desk.ask("a 0", "a", DRAFT)
        before = await desk.ask("b 1", "b", FINAL)
        final = await desk.ask("a 1", "a", FINAL)
        with pytest.raises(Superseded):
            await draft
        with pytest.raises(Superseded):  # too late
            await (await desk.ask("a 0 again", "a", DRAFT))
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(busy, before, final)
        assert desk.translator.texts == ["busy", "b 1", "a 1"]

    run(scenario, at_once=1, holds=True)


def test_a_revision_waits_for_the_one_at_work_and_is_made_only_then() -> None:
    async def scenario(desk: Desk) -> None:
        found = ""

        async def ask(text: str, priority: Priority) -> None:
            nonlocal found
            found = await desk.queue.translate(
                lambda: TranslationRequest(text, "en", "es", draft=found),
                key="a",
                priority=priority,
                owner="a",
            )

        draft = asyncio.create_task(ask("one two", DRAFT))
        final = asyncio.create_task(ask("one two three", FINAL))
        await settle()
        assert desk.translator.texts == ["one two"]  # though there is room for both
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(draft, final)
        assert [request.draft for request in desk.translator.asked] == ["", "[es] one two"]
        assert desk.translator.most_at_work == 1

    run(scenario, holds=True)


@pytest.mark.parametrize(
    "error",
    [
        TranslatorError("the graphics card has fallen out"),
        RuntimeError("out of memory"),
        ValueError("too long"),
        AssertionError(),
        KeyError(7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_request_raises_is_its_own_error(error: Exception) -> None:
    async def scenario(desk: Desk) -> None:
        beside, poisoned = await desk.ask("beside"), await desk.ask("poison")
        waiting = await desk.ask("waiting")
        desk.translator.release("poison")
        with pytest.raises(type(error)):
            await poisoned
        await settle()
        desk.translator.release()
        assert await beside == "[es] beside"
        assert await waiting == "[es] waiting"
        assert desk.queue.oldest_heard_ms("a") is None

    run(scenario, at_once=2, holds=True, errors={"poison": error})


def test_what_fails_in_making_a_request_is_its_own_error() -> None:
    def fail() -> TranslationRequest:
        raise ValueError("no such segment")

    async def scenario(desk: Desk) -> None:
        with pytest.raises(ValueError, match="no such segment"):
            await desk.queue.translate(fail, key=1, priority=FINAL, owner="a")
        assert await (await desk.ask("next")) == "[es] next"

    run(scenario, at_once=1)


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "waiting"])
def test_cancellation_gives_the_place_to_the_next(is_running: bool) -> None:
    async def scenario(desk: Desk) -> None:
        first, second, third = [await desk.ask(text) for text in ("1", "2", "3")]
        cancelled, kept = (first, second) if is_running else (second, first)
        cancelled.cancel()
        await settle()
        assert cancelled.cancelled()
        assert [request.text for request in desk.translator.cancelled] == ["1"] * is_running
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(kept, third)
        assert desk.translator.at_work == []
        assert desk.queue.queued("a") == 0

    run(scenario, at_once=1, holds=True)


def test_one_cancelled_at_the_moment_of_its_turn_gives_it_back() -> None:
    async def scenario(desk: Desk) -> None:
        async def ask_first() -> None:
            await desk.queue.translate(
                lambda: TranslationRequest("1", "en", "es"), key=1, priority=FINAL, owner="a"
            )
            second.cancel()  # it has its turn, and has not run yet

        first = asyncio.create_task(ask_first())
        second, third = [await desk.ask(text) for text in ("2", "3")]
        desk.translator.release("1")
        await settle()
        assert desk.translator.texts == ["1", "3"]
        desk.translator.release()
        await asyncio.gather(first, third)

    run(scenario, at_once=1, holds=True)


def test_a_backend_that_cancels_a_request_has_given_it_up() -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(TranslatorError, match="script has given up a text"):
            await (await desk.ask("lost"))
        assert await (await desk.ask("next")) == "[es] next"

    run(scenario, at_once=1, errors={"lost": asyncio.CancelledError()})


async def _serve_drafts(desk: Desk, keys: list[tuple[str, str]], rounds: int) -> Counter[object]:
    """Each key submits a new draft in each round, in which one is answered; how often each was."""
    asked: list[asyncio.Task[str]] = []
    for revision in range(rounds):
        for key in keys:
            asked.append(await desk.ask(f"{key[0]} {key[1]} {revision}", key, DRAFT, key[0]))
        desk.translator.release_oldest()
        await settle()
    served = Counter[object]()
    for request in desk.translator.asked:
        owner, language, _ = request.text.split()
        served[owner, language] += 1
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    return served


@pytest.mark.parametrize(
    ("sessions", "languages", "at_once"),
    [(5, ("es",), 2), (1, ("es", "de", "fr", "it", "pt", "ja"), 4), (4, ("es", "de", "fr"), 5)],
)
def test_drafts_of_all_sessions_and_languages_are_served_alike(
    sessions: int, languages: tuple[str, ...], at_once: int
) -> None:
    async def scenario(desk: Desk) -> None:
        keys = [(f"s{n}", language) for n in range(sessions) for language in languages]
        served = await _serve_drafts(desk, keys, rounds=60)
        assert set(served) == set(keys)
        assert max(served.values()) - min(served.values()) <= 1

    run(scenario, at_once=at_once, holds=True)


def test_a_file_is_translated_beside_a_live_session() -> None:
    async def scenario(desk: Desk) -> None:
        lines = [TranslationRequest(f"line {n:03}", "en", "es") for n in range(9)]
        file = asyncio.create_task(desk.queue.translate_all(lines, "file"))
        other = asyncio.create_task(desk.queue.translate_all(lines[:3], "other file"))
        await settle()
        assert desk.queue.queued("file") == 0 and desk.queue.queued("other file") == 2
        final = await desk.ask("final")
        desk.translator.release_oldest()
        await settle()
        assert desk.translator.texts[2] == "final"
        desk.translator.holds = False
        desk.translator.release()
        assert await final == "[es] final"
        assert await file == [f"[es] line {n:03}" for n in range(9)]
        assert await other == [f"[es] line {n:03}" for n in range(3)]
        assert desk.translator.most_at_work == 2

    run(scenario, at_once=2, holds=True)


def test_files_leave_room_for_live_speech() -> None:
    async def scenario(desk: Desk) -> None:
        lines = [TranslationRequest(f"line {n}", "en", "es") for n in range(20)]
        file = asyncio.create_task(desk.queue.translate_all(lines, "file"))
        await settle()
        assert len(desk.translator.at_work) == 6
        live = [await desk.ask("draft", priority=DRAFT), await desk.ask("final")]
        assert len(desk.translator.at_work) == 8
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(file, *live)

    run(scenario, at_once=8, holds=True)


def test_a_file_has_each_answer_or_error_at_its_place() -> None:
    async def scenario(desk: Desk) -> None:
        texts = ["a long line of words", "poison", "short"]
        lines = [TranslationRequest(text, "en", "es") for text in texts]
        answers = await desk.queue.translate_all(lines, "file")
        assert answers[::2] == ["[es] a long line of words", "[es] short"]
        assert isinstance(answers[1], TranslatorError) and answers[1].__cause__ is poison
        assert sorted(desk.translator.texts, key=len) == desk.translator.texts

    poison = RuntimeError("out of memory")
    run(scenario, errors={"poison": poison})


def test_a_cancelled_file_leaves_nothing_in_the_queue() -> None:
    async def scenario(desk: Desk) -> None:
        lines = [TranslationRequest(f"line {n}", "en", "es") for n in range(9)]
        file = asyncio.create_task(desk.queue.translate_all(lines, "file"))
        await settle()
        file.cancel()
        with pytest.raises(asyncio.CancelledError):
            await file
        assert desk.queue.oldest_heard_ms("file") is None
        assert desk.translator.at_work == []

    run(scenario, at_once=2, holds=True)


def test_owners_are_counted_apart() -> None:
    async def scenario(desk: Desk) -> None:
        asked = [
            await desk.ask("a 1", owner="a", heard_ms=1000),
            await desk.ask("a 2", owner="a", heard_ms=2000),
            await desk.ask("b 1", owner="b", heard_ms=500),
        ]
        assert (desk.queue.queued("a"), desk.queue.queued("b")) == (1, 1)
        assert desk.queue.oldest_heard_ms("a") == 1000  # it is at work
        assert desk.queue.oldest_heard_ms("b") == 500
        assert desk.queue.oldest_heard_ms("c") is None
        desk.translator.holds = False
        desk.translator.release()
        await asyncio.gather(*asked)

    run(scenario, at_once=1, holds=True)


def test_the_queue_closes_its_translator() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.queue.aclose()
        assert desk.translator.is_closed

    run(scenario)
