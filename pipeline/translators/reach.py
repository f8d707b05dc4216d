"""Into which of the wished languages what is spoken can be translated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config import AUTO
from ..errors import TranslatorError
from .queue import TranslationQueue


class Reach:
    """The targets of a session whose spoken language may change."""

    def __init__(self, translations: TranslationQueue, targets: Sequence[str]) -> None:
        self._translations = translations
        self._targets = targets
        self._known: dict[tuple[str, str], bool] = {}

    def check(self, sources: Iterable[str]) -> None:
        """Raises TranslatorError for a target that no language of `sources` is translated into."""
        for target in self._targets:
            refused: TranslatorError | None = None
            for source in sorted(sources):
                try:
                    self._translations.check(source, target)
                    break
                except TranslatorError as error:
                    refused = refused or error
            else:
                if refused is not None:
                    raise refused

    def reaches(self, source: str, target: str) -> bool:
        pair = source, target
        if pair not in self._known:
            try:
                self._translations.check(source, target)
                self._known[pair] = True
            except TranslatorError:
                self._known[pair] = False
        return self._known[pair]

    def notice(self, source: str) -> str:
        """What to tell people where a target is out of reach from what is spoken now."""
        if source == AUTO:
            return ""
        missing = [
            target
            for target in self._targets
            if target != source and not self.reaches(source, target)
        ]
        if not missing:
            return ""
        return f"{source} is spoken, which is not translated into {', '.join(missing)} here"
