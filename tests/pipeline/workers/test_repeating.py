"""Calls whose worker has died are made again; others are not."""

from __future__ import annotations

import asyncio

import pytest

from surtitle.pipeline.cluster import WorkersLost
from surtitle.pipeline.workers import repeating
from surtitle.pipeline.workers.repeating import repeated


class Died(Exception):
    pass


class Asked:
    """Fails as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.times = 0

    async def __call__(self) -> str:
        self.times += 1
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


def ask(asked: Asked) -> str:
    return asyncio.run(repeated(asked, lambda error: isinstance(error, Died)))


def test_a_call_that_is_answered_is_made_once() -> None:
    asked = Asked()
    assert ask(asked) == "answer"
    assert asked.times == 1


def test_a_call_whose_worker_has_died_is_made_again() -> None:
    asked = Asked(Died(), Died())
    assert ask(asked) == "answer"
    assert asked.times == 3


def test_an_error_of_the_call_itself_is_its_answer() -> None:
    asked = Asked(KeyError("a fault"))
    with pytest.raises(KeyError):
        ask(asked)
    assert asked.times == 1


def test_a_call_is_not_repeated_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "REPEAT_S", 0.2)
    asked = Asked(*(Died() for _ in range(1000)))
    with pytest.raises(WorkersLost, match="all workers were lost over it"):
        ask(asked)
    assert 1 < asked.times < 10
