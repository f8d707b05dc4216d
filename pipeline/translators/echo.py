"""A translator that returns its input, marked with the target language: for tests and trials."""

from __future__ import annotations

from collections.abc import Sequence

from ..events import TranslationRequest


class EchoTranslator:
    def check(self, source: str, target: str) -> None:
        """Every pair will do."""

    def translate(self, requests: Sequence[TranslationRequest]) -> list[str]:
        return [f"[{request.target}] {request.text}" for request in requests]
