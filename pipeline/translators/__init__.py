"""Translator backends, one per file. `diffusion.py` is imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..events import TranslationRequest


class Translator(Protocol):
    def translate(self, requests: Sequence[TranslationRequest]) -> list[str]:
        """Translate all requests in one batch, mixed languages allowed; one text per request.

        Raises TranslatorError for a language pair that the backend does not know.
        """
        ...
