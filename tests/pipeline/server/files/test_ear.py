from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from surtitle.pipeline.errors import MediaError, RecognizerError
from surtitle.pipeline.server.files.ear import Ear

from .hearing import Hears


class Opened(list[Hears]):
    """What an ear has opened, the first first."""

    def __call__(self) -> Hears:
        self.append(Hears())
        return self[-1]


def test_it_is_opened_for_the_first_and_stays_for_the_next() -> None:
    opened = Opened()

    async def scenario() -> None:
        ear = Ear(opened, idle_s=60)
        assert opened == []
        for _ in range(2):
            async with ear.lent() as recognizer:
                assert [recognizer] == opened
        await ear.aclose()
        assert opened[0].is_closed

    asyncio.run(scenario())


def test_it_is_closed_when_nobody_needs_it() -> None:
    opened = Opened()

    async def scenario() -> None:
        ear = Ear(opened, idle_s=0.001)
        for number in range(2):
            async with ear.lent():
                pass
            assert await asyncio.to_thread(opened[number].has_closed.wait, 5)
        await ear.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("make_error", "stays"),
    [
        (lambda: MediaError("no recording"), True),
        (lambda: RecognizerError("it is broken"), False),
        (asyncio.CancelledError, False),
    ],
)
def test_what_may_be_at_work_is_not_lent_again(
    make_error: Callable[[], BaseException], stays: bool
) -> None:
    opened = Opened()

    async def scenario() -> None:
        ear = Ear(opened, idle_s=60)
        with pytest.raises(type(make_error())):
            async with ear.lent():
                raise make_error()
        assert opened[0].is_closed is not stays
        async with ear.lent() as recognizer:
            assert (recognizer is opened[0]) is stays
        await ear.aclose()
        assert all(each.is_closed for each in opened)

    asyncio.run(scenario())


def test_where_it_cannot_be_opened_the_next_may_try_again() -> None:
    fails = [True, False]

    def make() -> Hears:
        if fails.pop(0):
            raise RecognizerError("no weights")
        return Hears()

    async def scenario() -> None:
        ear = Ear(make, idle_s=60)
        with pytest.raises(RecognizerError, match="no weights"):
            async with ear.lent():
                raise AssertionError("there is none")
        async with ear.lent() as recognizer:
            assert recognizer.name == "Hears"
        await ear.aclose()

    asyncio.run(scenario())


def test_one_at_a_time_has_it() -> None:
    async def scenario() -> None:
        ear, order = Ear(Opened(), idle_s=60), list[str]()

        async def use(name: str) -> None:
            async with ear.lent():
                order.append(name)
                await asyncio.sleep(0)
                order.append(name)

        await asyncio.gather(*(use(name) for name in "abc"))
        assert order == list("aabbcc")
        await ear.aclose()

    asyncio.run(scenario())
