"""Translator backends, one per file: the contract and the choice. `own.py`, which needs torch, is
imported only when it is chosen; `keeping.py` and `queue.py` stand in front of all of them, and
`pivot.py` between them, where a direction goes through English."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Protocol

from ..config import TranslatorConfig
from ..events import TranslationRequest
from .keeping import keeping

TRANSLATORS = ("auto", "own", "ct2", "echo")

log = logging.getLogger(__name__)


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


@keeping
def open_translator(
    config: TranslatorConfig,
    directions: Collection[tuple[str | None, str]] = (),
    say: Callable[[str], None] = log.info,
) -> Translator:
    """The backend of a configuration. Without a checkpoint, each direction, whose source may be
    open (None), is that of the first installed model that knows it, or of two by way of English.
    Where there are none yet, all that may be asked for are loaded. `say` hears in a line what
    people should know about the choice.

    Raises TranslatorError where it cannot be loaded, and ValueError for a name that is not known.
    """
    if config.is_address:
        from .llm_server.translator import LlmServerTranslator

        return LlmServerTranslator(
            config.name, config.llm_model, at_once=config.llm_requests, key=config.llm_key
        )
    match config.name:
        case "auto":
            from .automatic import open_automatic

            return open_automatic(config.checkpoints, directions, say, config.decoding)
        case "own":
            from .automatic import with_english
            from .own import OwnTranslator, models_for_each
            from .pivot import PivotTranslator

            names = config.checkpoints or models_for_each(with_english(directions))
            return PivotTranslator([OwnTranslator(*names, decoding=config.decoding)], say)
        case "ct2":
            from .automatic import open_installed, remedy
            from .pivot import PivotTranslator

            return PivotTranslator([open_installed(config.checkpoints, directions)], say, remedy)
        case "echo":
            from .echo import EchoTranslator

            return EchoTranslator()
        case name:
            raise ValueError(f"a translator is one of {', '.join(TRANSLATORS)}, got {name!r}")
