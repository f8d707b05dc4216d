from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.config import AUTO
from surtitle.pipeline.events import Utterance
from surtitle.pipeline.recognizers import LanguageGuess, WorkerLost
from surtitle.pipeline.recognizers.spoken_language import (
    GUESSED_AT_SAMPLES,
    LIKELY,
    MOST_SAMPLES,
    NEW,
    SURE,
    SpokenLanguage,
)


class Guesser:
    """Guesses as it is told, and counts the sound that it was given."""

    def __init__(self, *guesses: tuple[str, float]) -> None:
        self._guesses = [LanguageGuess(*guess) for guess in guesses]
        self.heard: list[int] = []  # samples
        self.error: Exception | None = None

    async def guess_language(
        self,
        make_utterance: Callable[[], Utterance],
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int,
    ) -> LanguageGuess | None:
        utterance = make_utterance()
        if self.error is not None:
            raise self.error
        if not utterance.samples.size:
            return None
        self.heard.append(utterance.samples.size)
        return self._guesses.pop(0)


def find(
    spoken: SpokenLanguage, utterance: int, seconds: float = 3, *, is_draft: bool = False
) -> bool:
    sound = Utterance(utterance, np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32))
    return asyncio.run(spoken.find(utterance, lambda: sound, is_draft=is_draft, tries=1))


def test_a_language_that_was_named_is_not_guessed() -> None:
    guesser = Guesser()
    spoken = SpokenLanguage("de", guesser, "me")
    assert find(spoken, 0) and spoken.is_known(7)
    assert (spoken.language, spoken.found, guesser.heard) == ("de", None, [])


def test_each_utterance_is_guessed_once_from_its_beginning() -> None:
    guesser = Guesser(("en", 0.9), ("es", 0.8))
    spoken = SpokenLanguage(AUTO, guesser, "me")
    assert (spoken.found, spoken.is_known(0)) == (None, False)
    assert find(spoken, 0) and find(spoken, 0)
    assert (spoken.language, spoken.found) == ("en", "en")
    assert not spoken.is_known(400)
    assert find(spoken, 400, seconds=15)
    assert (spoken.found, guesser.heard) == ("es", [3 * SAMPLE_RATE_HZ, MOST_SAMPLES])


def test_a_doubtful_guess_changes_nothing_but_is_better_than_none() -> None:
    spoken = SpokenLanguage(AUTO, Guesser(("cy", 0.2), ("en", LIKELY), ("nn", 0.4)), "me")
    found: list[str | None] = []
    for utterance in (0, 1, 2):
        find(spoken, utterance)
        found.append(spoken.found)
    assert found == ["cy", "en", "en"]


def test_of_a_doubtful_utterance_more_is_heard_before_it_is_guessed_again() -> None:
    guesser = Guesser(("en", 0.9), ("th", 0.6), ("de", 0.6), ("de", LIKELY))
    spoken = SpokenLanguage(AUTO, guesser, "me")
    assert spoken.needed_samples(0) == GUESSED_AT_SAMPLES[0]
    assert find(spoken, 0, 2, is_draft=True) and spoken.needed_samples(0) == 0
    for seconds, needed in zip((2, 4), GUESSED_AT_SAMPLES[1:], strict=True):
        assert not find(spoken, 9, seconds, is_draft=True)
        assert (spoken.language, spoken.needed_samples(9)) == ("en", needed)
    assert find(spoken, 9, 8, is_draft=True)
    assert (spoken.language, len(guesser.heard)) == ("de", 4)
    assert spoken.needed_samples(10) == GUESSED_AT_SAMPLES[0]


def test_less_is_needed_to_stay_with_a_language_than_to_change_it() -> None:
    guesses = ("en", NEW), ("en", LIKELY), ("es", NEW), ("en", SURE), ("es", 0.69), ("de", 0.89)
    spoken = SpokenLanguage(AUTO, Guesser(*guesses), "me")
    found = [find(spoken, n, is_draft=True) for n in range(6)]
    assert found == [True, True, True, True, False, False]


def test_an_utterance_of_which_nothing_is_there_stays_to_be_guessed() -> None:
    spoken = SpokenLanguage(AUTO, Guesser(("en", 0.9)), "me")
    assert not find(spoken, 5, seconds=0)
    assert not spoken.is_known(5) and spoken.found is None
    assert find(spoken, 5)


def test_an_error_of_the_guess_is_told() -> None:
    guesser = Guesser(("en", 0.9))
    guesser.error = WorkerLost("it is gone")
    spoken = SpokenLanguage(AUTO, guesser, "me")
    with pytest.raises(WorkerLost):
        find(spoken, 0)
    assert not spoken.is_known(0)
