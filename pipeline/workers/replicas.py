"""What runs in a replica of a deployment, which is a process somewhere in the cluster: the
recognizer or the translator that `surtitle workers` was asked for. No Ray in here."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ..cluster import Failure
from ..config import RecognizerConfig, TranslatorConfig
from ..errors import SurtitleError
from ..events import TranslationRequest, Utterance
from ..recognizers.child_work import Traits
from ..recognizers.choice import open_recognizer
from ..translators import open_translator
from ..translators.remote import TranslatorTraits

log = logging.getLogger(__name__)


class TranslatorReplica:
    """The translator itself: what stands in front of all of them does so at the caller's, which
    gets the same answers as from one of its own."""

    def __init__(self, config: TranslatorConfig, at_once: int) -> None:
        """`at_once`: how many requests all the replicas get at once. Raises TranslatorError."""
        self._translator = open_translator(config, (), log.info).backend
        self._at_once = at_once

    async def traits(self) -> TranslatorTraits:
        return await asyncio.to_thread(TranslatorTraits.of, self._translator, self._at_once)

    async def translate(self, request: TranslationRequest) -> str | Failure:
        try:
            return await self._translator.translate(request)
        except SurtitleError as error:
            return Failure.of(error)


class RecognizerReplica:
    """A recognizer, which hears one utterance at a time."""

    def __init__(self, config: RecognizerConfig, most_replicas: int) -> None:
        """Raises RecognizerError."""
        self._recognizer = open_recognizer(config, None, log.info)
        self._most_replicas = most_replicas
        self._thread = ThreadPoolExecutor(1)

    async def traits(self) -> tuple[Traits, int]:
        """What the recognizer says of itself, and how many replicas there may be."""
        return Traits.of(self._recognizer), self._most_replicas

    async def recognize(
        self, utterance: Utterance, language: str, terms: tuple[str, ...], is_draft: bool
    ) -> Any:
        return await self._in_turn(
            partial(self._recognizer.recognize, utterance, language, terms, is_draft=is_draft)
        )

    async def guess_language(self, utterance: Utterance) -> Any:
        return await self._in_turn(partial(self._recognizer.guess_language, utterance))

    async def _in_turn(self, ask: partial[Any]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, ask)
        except SurtitleError as error:
            return Failure.of(error)
