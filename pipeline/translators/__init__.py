"""Translator backends, one per file. `diffusion.py` is imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ..events import TranslationRequest


class Translator(Protocol):
    """Requests come at any time and share its steps; their answers come when they are ready.

    Of live requests, `most_at_once` are at work together: more would make each of them late.
    """

    most_at_once: int

    def check(self, source: str, target: str) -> None:
        """Raise TranslatorError for a language pair that the backend does not know."""
        ...

    def add(self, request: TranslationRequest) -> int:
        """Begin with a request; its number is that of its answer.

        Raises TranslatorError for a language pair that the backend does not know.
        """
        ...

    def step(self) -> list[tuple[int, str]]:
        """Go on with all requests a little; the numbers and translations of those that are done.

        After a TranslatorError, nothing of what was at work is left.
        """
        ...


def translate(translator: Translator, requests: Sequence[TranslationRequest]) -> list[str]:
    """One translation per request, mixed languages allowed; nothing else may be at work.

    Similar lengths go together, so that few steps are left with few requests.
    """
    order = sorted(range(len(requests)), key=lambda i: len(requests[i].text))
    indices = {translator.add(requests[i]): i for i in order}
    texts: dict[int, str] = {}
    while len(texts) < len(requests):
        texts |= {indices[number]: text for number, text in translator.step()}
    return [texts[i] for i in range(len(requests))]


def open_translator(
    name: str,
    checkpoint: str | None = None,
    directions: Collection[tuple[str | None, str]] = (),
) -> Translator:
    """The backend `name`; `checkpoint` is a model for "diffusion", by its name or its folder, else
    each direction, whose source may be open (None), is that of the first installed model that knows
    it. Where there are none yet, those of the package are loaded.

    Raises TranslatorError where it cannot be loaded.
    """
    if name == "echo":
        from .echo import EchoTranslator

        return EchoTranslator()
    from .own import DiffusionTranslator, models_for_each

    return DiffusionTranslator(*([checkpoint] if checkpoint else models_for_each(directions)))
