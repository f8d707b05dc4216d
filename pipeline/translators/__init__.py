"""Translator backends, one per file: the contract and the choice. `own.py`, which needs torch, is
imported only when it is chosen; `queue.py` stands in front of all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ..config import TranslatorConfig
from ..events import TranslationRequest

TRANSLATORS = ("own", "echo")


class Translator(Protocol):
    """Texts in, translations out. Only `queue.TranslationQueue` asks it, so that none is asked for
    more than it likes, and the most urgent come first."""

    @property
    def name(self) -> str:
        """What people call it, for messages."""
        ...

    @property
    def at_once(self) -> int:
        """How many requests it likes at once, 1 or more: more would make each of them late."""
        ...

    def check(self, source: str, target: str) -> None:
        """Raise TranslatorError for a language pair that the backend does not know."""
        ...

    async def translate(self, request: TranslationRequest) -> str:
        """The translation of one text, whatever else is at work.

        Raises TranslatorError; whatever it raises concerns this request only. A request that is
        cancelled leaves nothing behind that others would feel.
        """
        ...

    async def aclose(self) -> None:
        """Give back what the backend holds; what is still at work gets a TranslatorError."""
        ...


def open_translator(
    config: TranslatorConfig, directions: Collection[tuple[str | None, str]] = ()
) -> Translator:
    """The backend of a configuration. Without a checkpoint, each direction, whose source may be
    open (None), is that of the first installed model that knows it. Where there are none yet, those
    of the package are loaded.

    Raises TranslatorError where it cannot be loaded, and ValueError for a name that is not known.
    """
    if config.is_address:
        from .llm_server import LlmServerTranslator

        return LlmServerTranslator(
            config.name, config.llm_model, at_once=config.llm_requests, key=config.llm_key
        )
    match config.name:
        case "echo":
            from .echo import EchoTranslator

            return EchoTranslator()
        case "own":
            from .own import OwnTranslator, models_for_each

            checkpoint = config.checkpoint
            return OwnTranslator(*([checkpoint] if checkpoint else models_for_each(directions)))
        case name:
            raise ValueError(f"a translator is one of {', '.join(TRANSLATORS)}, got {name!r}")
