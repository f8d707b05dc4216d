"""Utterances are heard here and by helpers, and come in order with the words that this process
alone would have heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import numpy as np
import pytest

from surtitle.pipeline.cluster import WorkersLost
from surtitle.pipeline.errors import MediaError, RecognizerError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.listening import Heard
from surtitle.pipeline.recognizers import Recognizer
from surtitle.pipeline.workers import sharing
from surtitle.pipeline.workers.sharing import Place, Sharing, Words

from ...patience import PATIENCE_S
from ..scripted_recognizer import ScriptedRecognizer

UTTERANCES = [Utterance(16_000 * number, np.zeros(8000, np.float32)) for number in range(12)]
WORDS = [[Word(str(number), 1000 * number, 1000 * number + 500, 1.0)] for number in range(12)]


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PIECE_SAMPLES", 3 * 8000)


class Numbering(ScriptedRecognizer):
    """Hears in each utterance its number."""

    def __init__(self) -> None:
        super().__init__("")
        self.heard: list[int] = []

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        assert (language, terms) == ("en", ("harbor",))
        number = utterance.start_sample // 16_000
        self.heard.append(number)
        return WORDS[number]


class Helper:
    """Hears the same; the first time only when it is told to `go`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.has_begun, self.go = asyncio.Event(), asyncio.Event()
        self.pieces: list[list[int]] = []

    async def __call__(
        self, utterances: list[Utterance], language: str, terms: tuple[str, ...]
    ) -> Words:
        self.pieces.append([each.start_sample // 16_000 for each in utterances])
        self.has_begun.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        recognizer = Numbering()
        return [recognizer.recognize(each, language, terms) for each in utterances]


async def spoken(
    read: Callable[[int], None] = lambda done_ms: None, error: Exception | None = None
) -> AsyncGenerator[Utterance, None]:
    for number, utterance in enumerate(UTTERANCES):
        read(1000 * number)
        yield utterance
    if error is not None:
        raise error
    read(12_000)


async def heard(sharing: Sharing, utterances: AsyncGenerator[Utterance, None]) -> list[Heard]:
    async with (
        asyncio.timeout(PATIENCE_S),
        aclosing(sharing.hear(utterances, "en", ("harbor",))) as pairs,
    ):
        return [each async for each in pairs]


def words_of(found: list[Heard]) -> Words:
    assert [utterance for utterance, _ in found] == UTTERANCES
    return [words for _, words in found]


def test_without_help_all_is_heard_here_and_nothing_is_read_before() -> None:
    recognizer = Numbering()
    sharing = Sharing(recognizer, {})

    async def checked() -> AsyncGenerator[Utterance, None]:
        for number, utterance in enumerate(UTTERANCES):
            assert len(recognizer.heard) == number
            yield utterance

    assert words_of(asyncio.run(heard(sharing, checked()))) == WORDS


def test_a_helper_hears_what_comes_next_and_all_come_in_order() -> None:
    async def scenario() -> tuple[Words, Numbering, Helper]:
        recognizer, helper = Numbering(), Helper()
        sharing = Sharing(recognizer, {})
        sharing.help(helper)

        async def rest_first() -> AsyncGenerator[Utterance, None]:
            async for utterance in spoken():
                if utterance is UTTERANCES[-1]:
                    helper.go.set()
                yield utterance

        return words_of(await heard(sharing, rest_first())), recognizer, helper

    found, recognizer, helper = asyncio.run(scenario())
    assert found == WORDS
    assert len(helper.pieces[0]) == 3
    assert sorted(recognizer.heard + sum(helper.pieces, [])) == list(range(12))


def test_who_comes_in_the_middle_helps_from_then_on() -> None:
    async def scenario() -> list[list[int]]:
        helper = Helper()
        helper.go.set()
        sharing = Sharing(Numbering(), {})

        def read(done_ms: int) -> None:
            if done_ms == 4000:
                assert sharing.wants_help
                sharing.help(helper)

        assert words_of(await heard(sharing, spoken(read))) == WORDS
        assert not sharing.wants_help
        return helper.pieces

    assert min(asyncio.run(scenario()))[0] >= 4


def test_what_a_helper_leaves_that_is_lost_is_heard_here() -> None:
    async def scenario() -> Helper:
        helper = Helper(WorkersLost("its machine has gone"))
        helper.go.set()
        sharing = Sharing(Numbering(), {})
        sharing.help(helper)
        assert words_of(await heard(sharing, spoken())) == WORDS
        return helper

    assert len(asyncio.run(scenario()).pieces) == 1, "it gets nothing more"


@pytest.mark.parametrize("here", [True, False])
def test_what_a_recognizer_raises_is_raised(here: bool) -> None:
    class Failing(Numbering):
        def recognize(self, *arguments: object, **options: object) -> list[Word]:
            raise RecognizerError("it has failed")

    async def scenario() -> None:
        recognizer: Recognizer = Failing() if here else Numbering()
        sharing = Sharing(recognizer, {})
        helper = Helper(None if here else RecognizerError("it has failed"))
        helper.go.set()
        sharing.help(helper)
        await heard(sharing, spoken())

    with pytest.raises(RecognizerError, match="it has failed"):
        asyncio.run(scenario())


def test_what_is_wrong_with_the_recording_is_raised_where_it_is() -> None:
    seen: list[Utterance] = []

    async def scenario() -> None:
        sharing = Sharing(Numbering(), {})
        utterances = spoken(error=MediaError("damaged"))
        async with aclosing(sharing.hear(utterances, "en", ("harbor",))) as pairs:
            async for utterance, _ in pairs:
                seen.append(utterance)

    with pytest.raises(MediaError, match="damaged"):
        asyncio.run(scenario())
    assert seen == UTTERANCES


def test_who_stops_listening_leaves_nothing_at_work() -> None:
    async def scenario() -> set[asyncio.Task[object]]:
        helper = Helper()
        sharing = Sharing(Numbering(), {})
        sharing.help(helper)
        async with aclosing(sharing.hear(spoken(), "en", ("harbor",))) as pairs:
            await anext(pairs)
            await asyncio.wait_for(helper.has_begun.wait(), PATIENCE_S)
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert not asyncio.run(scenario())


def test_how_much_is_heard_is_told_and_not_how_much_is_read() -> None:
    async def scenario() -> list[int]:
        sharing = Sharing(Numbering(), {})
        told: list[int] = []
        helper = Helper()
        sharing.help(helper)

        def read(done_ms: int) -> None:
            sharing.read(done_ms)
            told.append(sharing.done_ms)
            if done_ms == 8000:
                helper.go.set()

        await heard(sharing, spoken(read))
        return [*told[:8], sharing.done_ms]

    told = asyncio.run(scenario())
    assert max(told[:8]) < 4000, "what the helper has is not heard yet"
    assert told[-1] == 12_000


def test_what_is_known_is_not_heard_again() -> None:
    first = Sharing(Numbering(), {})
    asyncio.run(heard(first, spoken()))
    known: dict[Place, list[Word]] = dict(list(first.fresh().items())[:7])
    assert first.fresh() == {}, "it is told once"

    async def scenario() -> tuple[Words, list[int]]:
        recognizer, helper = Numbering(), Helper()
        helper.go.set()
        again = Sharing(recognizer, known)
        again.help(helper)
        found = words_of(await heard(again, spoken()))
        return found, recognizer.heard + sum(helper.pieces, [])

    found, heard_again = asyncio.run(scenario())
    assert found == WORDS
    assert sorted(heard_again) == [7, 8, 9, 10, 11]


def test_each_pass_over_a_recording_is_another() -> None:
    first = Sharing(Numbering(), {})

    async def both_channels() -> None:
        await heard(first, spoken())
        await heard(first, spoken())

    asyncio.run(both_channels())
    assert len(first.fresh()) == 24
