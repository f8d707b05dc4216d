"""The translator of the tests: it answers when it is told to, fails where it is told to, and knows
what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest

from ..patience import PATIENCE_S


class ScriptedTranslator:
    """Answers "[es] text". With `holds`, a request stays at work until it is released."""

    name = "script"

    def __init__(
        self,
        *,
        at_once: int = 16,
        holds: bool = False,
        errors: dict[str, BaseException] | None = None,
        targets: frozenset[str] | None = None,
    ) -> None:
        """`errors` are raised for their texts; `targets` are the languages it knows, None: all."""
        self.at_once = at_once
        self.holds = holds
        self.errors = errors or {}
        self.asked: list[TranslationRequest] = []
        self.at_work: list[TranslationRequest] = []
        self.most_at_work = 0
        self.cancelled: list[TranslationRequest] = []
        self.is_closed = False
        self._targets = targets
        self._gates: dict[int, asyncio.Event] = {}  # by the identity of what is at work
        self._changed = asyncio.Event()

    def check(self, source: str, target: str) -> None:
        if self._targets is not None and target not in self._targets:
            raise TranslatorError(f"cannot translate {source} to {target}")

    async def translate(self, request: TranslationRequest) -> str:
        self.asked.append(request)
        self.at_work.append(request)
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        gate = self._gates[id(request)] = asyncio.Event()
        self._changed.set()
        try:
            if self.holds:
                await gate.wait()
            if error := self.errors.get(request.text):
                raise error
            return f"[{request.target}] {request.text}"
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        finally:
            self.at_work.remove(request)
            self._changed.set()

    async def aclose(self) -> None:
        self.is_closed = True

    def release(self, text: str | None = None) -> None:
        """Let all that is at work end now, or what has this text."""
        for request in self.at_work:
            if text in (None, request.text):
                self._gates[id(request)].set()

    def release_oldest(self) -> TranslationRequest:
        """Let the one end that has been at work for the longest time."""
        request = next(each for each in self.at_work if not self._gates[id(each)].is_set())
        self._gates[id(request)].set()
        return request

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that is asked or answered makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def texts(self) -> list[str]:
        """What it was asked, in order."""
        return [request.text for request in self.asked]
