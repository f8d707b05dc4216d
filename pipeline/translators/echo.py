"""A translator that returns its input, marked with the target language: for tests and trials."""

from __future__ import annotations

from ..events import TranslationRequest


class EchoTranslator:
    name = "echo"
    at_once = 16

    def check(self, source: str, target: str) -> None:
        """Every pair will do."""

    async def translate(self, request: TranslationRequest) -> str:
        return f"[{request.target}] {request.text}"

    async def aclose(self) -> None:
        """It holds nothing."""
