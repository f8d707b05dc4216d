"""A translator that returns its input, marked with the target language: for tests and trials."""

from __future__ import annotations

from itertools import count

from ..events import TranslationRequest


class EchoTranslator:
    most_at_once = 16

    def __init__(self) -> None:
        self._numbers = count()
        self._echoes: list[tuple[int, str]] = []

    def check(self, source: str, target: str) -> None:
        """Every pair will do."""

    def add(self, request: TranslationRequest) -> int:
        number = next(self._numbers)
        self._echoes.append((number, f"[{request.target}] {request.text}"))
        return number

    def step(self) -> list[tuple[int, str]]:
        echoes, self._echoes = self._echoes, []
        return echoes
