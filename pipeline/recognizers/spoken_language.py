"""In which language an utterance is spoken: as it was named, or found out by listening."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import AUTO
from ..events import Utterance
from . import LanguageGuess

# So much of an open utterance is heard before it is guessed; the next time where that was doubtful.
GUESSED_AT_SAMPLES = tuple(seconds * SAMPLE_RATE_HZ for seconds in (2, 4, 8))
MOST_SAMPLES = GUESSED_AT_SAMPLES[-1]
NEW = 0.9  # from this probability on, a guess is taken at once,
SURE = 0.7  # from this on, if the language was spoken before,
LIKELY = 0.5  # and from this on, if it is spoken now, or the guess is the last


class LanguageGuesser(Protocol):
    """What guesses: the pool."""

    async def guess_language(
        self,
        make_utterance: Callable[[], Utterance],
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int,
    ) -> LanguageGuess | None: ...


class SpokenLanguage:
    """Of one source. Where it is AUTO, each utterance is guessed from its first seconds: once if
    that leaves no doubt, at most as often as GUESSED_AT_SAMPLES says.

    A last guess that is not LIKELY leaves the language as it was. Utterances are known by the
    sample at which they begin.
    """

    def __init__(self, named: str, guesser: LanguageGuesser, owner: Hashable) -> None:
        self._is_named = named != AUTO
        self._guesser = guesser
        self._owner = owner
        self._utterance: int | None = None  # of which the language is known
        self._guessed: int | None = None
        self._guesses = 0  # of that one
        self._spoken: set[str] = set()
        self._language = named

    @property
    def language(self) -> str:
        """Of the utterance that was asked for last."""
        return self._language

    @property
    def found(self) -> str | None:
        """As `language`; None where it was named, or none was found yet."""
        return None if self._is_named or self._language == AUTO else self._language

    def is_known(self, utterance: int) -> bool:
        return self._is_named or self._utterance == utterance

    def needed_samples(self, utterance: int) -> int:
        """How much of an open utterance must be there before it is worth a try."""
        if self.is_known(utterance):
            return 0
        return GUESSED_AT_SAMPLES[self._guesses if utterance == self._guessed else 0]

    async def find(
        self,
        utterance: int,
        make_sound: Callable[[], Utterance],
        *,
        is_draft: bool,
        tries: int,
    ) -> bool:
        """Find out the language of an utterance, of which `make_sound`, called in a thread, returns
        what there is; return whether it is known now. Where it `is_draft`, there will be more.

        Raises as RecognizerPool.guess_language does.
        """
        if self.is_known(utterance):
            return True
        guess = await self._guesser.guess_language(
            lambda: _beginning(make_sound()), owner=self._owner, is_draft=is_draft, tries=tries
        )
        if guess is None:
            return False
        self._guesses = 1 + (self._guesses if utterance == self._guessed else 0)
        self._guessed = utterance
        is_last = not is_draft or self._guesses == len(GUESSED_AT_SAMPLES)
        enough = SURE if guess.language in self._spoken else NEW
        if is_last or guess.language == self._language:
            enough = LIKELY
        if guess.probability < enough and not is_last:
            return False
        self._utterance = utterance
        if guess.probability >= enough or self._language == AUTO:
            self._language = guess.language
            self._spoken.add(guess.language)
        return True


def _beginning(sound: Utterance) -> Utterance:
    return Utterance(sound.start_sample, sound.samples[:MOST_SAMPLES])
