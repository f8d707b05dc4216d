"""Translator backends, one per file. `diffusion.py` is imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..events import TranslationRequest


class Translator(Protocol):
    def check(self, source: str, target: str) -> None:
        """Raise TranslatorError for a language pair that the backend does not know."""
        ...

    def translate(self, requests: Sequence[TranslationRequest]) -> list[str]:
        """Translate all requests in one batch, mixed languages allowed; one text per request.

        Raises TranslatorError for a language pair that the backend does not know.
        """
        ...


def open_translator(name: str, checkpoint: Path | None = None) -> Translator:
    """The backend `name`; `checkpoint` is a model folder for "diffusion", None: the embedded model.

    Raises TranslatorError where it cannot be loaded.
    """
    if name == "echo":
        from .echo import EchoTranslator

        return EchoTranslator()
    from .diffusion import EMBEDDED, DiffusionTranslator

    return DiffusionTranslator(checkpoint or EMBEDDED)
