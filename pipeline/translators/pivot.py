"""Several translators as one: a direction that none knows goes through English."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import TranslatorError
from ..events import TranslationRequest
from . import Translator

PIVOT = "en"
MAX_KNOWN = 20_000  # answers that are kept: pairs of 140 languages


class PivotTranslator:
    """A direction is that of the first translator that knows it, else of the first two that know
    it by way of English: what is pinned or must be said concerns the second of them."""

    def __init__(
        self,
        translators: Sequence[Translator],
        say: Callable[[str], None],
        remedy: Callable[[str, str], str] = lambda source, target: "",
    ) -> None:
        """They are its own from now on: `aclose` closes them. `say` hears in a line that English
        stands between, once for each direction; `remedy` tells what to do where none is known."""
        assert translators, "there is one at least"
        self._translators = translators
        self._say, self._remedy = say, remedy
        self._said: set[tuple[str, str]] = set()
        self._known: dict[tuple[str, str], Translator | TranslatorError] = {}  # as they answered
        self.name = " and ".join(dict.fromkeys(each.name for each in translators))
        self.at_once = max(each.at_once for each in translators)

    def check(self, source: str, target: str) -> None:
        self._route(source, target)

    async def translate(self, request: TranslationRequest) -> str:
        route = self._route(request.source, request.target)
        if len(route) == 1:
            return await route[0].translate(request)
        direction = request.source, request.target
        if direction not in self._said:
            self._said.add(direction)
            self._say(f"{request.source} to {request.target} goes through English")
        key = None if request.key is None else (request.key, PIVOT)
        english = await route[0].translate(
            TranslationRequest(
                request.text,
                request.source,
                PIVOT,
                key=key,
                is_written=request.is_written,
                is_draft=request.is_draft,
            )
        )
        return await route[1].translate(
            replace(request, text=english, source=PIVOT, is_written=True, context=())
        )

    async def aclose(self) -> None:
        for translator in self._translators:
            await translator.aclose()

    def _route(self, source: str, target: str) -> list[Translator]:
        """Raises TranslatorError."""
        direct = self._first(source, target)
        if not isinstance(direct, TranslatorError):
            return [direct]
        legs: list[Translator] = []
        if PIVOT not in (source, target):
            for leg in (self._first(source, PIVOT), self._first(PIVOT, target)):
                if isinstance(leg, TranslatorError):
                    break
                legs.append(leg)
        if len(legs) < 2:
            raise TranslatorError(f"{direct}{self._remedy(source, target)}")
        return legs

    def _first(self, source: str, target: str) -> Translator | TranslatorError:
        """Asked once: what they know does not change."""
        known = self._known.get((source, target))
        if known is None:
            known = self._ask(source, target)
            if len(self._known) < MAX_KNOWN:
                self._known[source, target] = known
        return known

    def _ask(self, source: str, target: str) -> Translator | TranslatorError:
        errors: list[str] = []
        for translator in self._translators:
            try:
                translator.check(source, target)
                return translator
            except TranslatorError as error:
                errors.append(str(error))
        return TranslatorError("; ".join(errors))
