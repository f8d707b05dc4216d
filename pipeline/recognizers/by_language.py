"""One pool for some languages, another for all others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from ..config import AUTO
from ..events import Utterance, Word
from . import LanguageGuess, Listener
from .pool import TRIES, RecognizerPool


class PoolsByLanguage:
    """`pools` hear their languages, whatever `others` knows as well; `others` hears the rest.

    Each has workers of its own: a slow recognizer does not keep the quick one waiting, nor does
    what one costs tell anything about the other. Closes them all.
    """

    def __init__(self, pools: Mapping[str, RecognizerPool], others: RecognizerPool) -> None:
        self._pools = pools
        self._others = others
        self._all = (*pools.values(), others)

    @property
    def name(self) -> str:
        names = ", ".join(pool.name for pool in self._pools.values())
        return f"{names}; other languages: {self._others.name}"

    @property
    def languages(self) -> frozenset[str]:
        return self._others.languages | self._pools.keys()

    @property
    def is_written(self) -> bool:
        return all(pool.is_written for pool in self._all)

    @property
    def uses_terms(self) -> bool:
        """Only if it does in every language: nobody shall count on it in vain."""
        return all(pool.uses_terms for pool in self._all)

    def open_listener(self, language: str, terms: tuple[str, ...]) -> Listener:
        """Begin to listen to a source. Raises RecognizerError for a language that none knows."""
        if language == AUTO:
            return self._others.open_listener(AUTO, terms, decoder=self)
        return self._of(language).open_listener(language, terms)

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
        """As the pool of the language does."""
        return await self._of(language).recognize(
            make_utterance, language, terms, owner=owner, is_draft=is_draft, tries=tries
        )

    async def guess_language(
        self,
        make_utterance: Callable[[], Utterance],
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = TRIES,
    ) -> LanguageGuess | None:
        """As the pool does that knows the most languages."""
        return await self._others.guess_language(
            make_utterance, owner=owner, is_draft=is_draft, tries=tries
        )

    def withdraw(self, owner: Hashable) -> None:
        for pool in self._all:
            pool.withdraw(owner)

    def cost_in(self, language: str) -> float | None:
        return self._of(language).cost_in(language)

    async def aclose(self) -> None:
        for pool in self._all:
            await pool.aclose()

    def _of(self, language: str) -> RecognizerPool:
        return self._pools.get(language, self._others)
