"""In which language an utterance is spoken: as it was named, or found out by listening."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import AUTO
from ..events import Utterance
from . import LanguageGuess

GUESS_SAMPLES = 2 * SAMPLE_RATE_HZ  # of speech before the first guess, unless it is over sooner
MOST_SAMPLES = 8 * SAMPLE_RATE_HZ  # from which it is guessed
SURE = 0.5  # a guess less likely than this does not change the language


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
    """Of one source. Where it is AUTO, each utterance is guessed once, from its first seconds.

    A guess that is not SURE leaves the language as it was. Utterances are known by the sample at
    which they begin.
    """

    def __init__(self, named: str, guesser: LanguageGuesser, owner: Hashable) -> None:
        self._is_named = named != AUTO
        self._guesser = guesser
        self._owner = owner
        self._utterance: int | None = None
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

    async def find(
        self,
        utterance: int,
        make_sound: Callable[[], Utterance],
        *,
        is_draft: bool,
        tries: int,
    ) -> bool:
        """Find out the language of an utterance, of which `make_sound`, called in a thread, returns
        what there is; return whether there was any.

        Raises as RecognizerPool.guess_language does.
        """
        if self.is_known(utterance):
            return True
        guess = await self._guesser.guess_language(
            lambda: _beginning(make_sound()), owner=self._owner, is_draft=is_draft, tries=tries
        )
        if guess is None:
            return False
        self._utterance = utterance
        if guess.probability >= SURE or self._language == AUTO:
            self._language = guess.language
        return True


def _beginning(sound: Utterance) -> Utterance:
    return Utterance(sound.start_sample, sound.samples[:MOST_SAMPLES])
