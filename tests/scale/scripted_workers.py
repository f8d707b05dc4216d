"""Workers of the tests: what is deployed answers by a script, and takes its time, so that a cluster
on a slow machine is kept busy by nothing but itself."""

from __future__ import annotations

import asyncio
from typing import Any

from surtitle.pipeline.config import RecognizerConfig, TranslatorConfig
from surtitle.pipeline.events import TranslationRequest, Utterance
from surtitle.pipeline.recognizers.child_work import Traits
from surtitle.pipeline.translators.echo import EchoTranslator
from surtitle.pipeline.translators.remote import TranslatorTraits
from surtitle.pipeline.workers import connection, deployments

from ..pipeline.scripted_recognizer import ScriptedRecognizer

WORK_S = 0.1  # a call is at work for so long
SENTENCES = [f"Boat {number} leaves the old harbor." for number in range(1000, 1030)]
WORDS = " ".join(SENTENCES).split()


class ScriptedTranslatorReplica:
    def __init__(self, config: TranslatorConfig, at_once: int) -> None:
        self._at_once = at_once

    async def traits(self) -> TranslatorTraits:
        return TranslatorTraits.of(EchoTranslator(), self._at_once)

    async def translate(self, request: TranslationRequest) -> str:
        await asyncio.sleep(WORK_S)
        return f"[{request.target}] {request.text}"


class ScriptedRecognizerReplica:
    def __init__(self, config: RecognizerConfig, most_replicas: int) -> None:
        self._recognizer = ScriptedRecognizer(WORDS)
        self._most_replicas = most_replicas

    async def traits(self) -> tuple[Traits, int]:
        return Traits.of(self._recognizer), self._most_replicas

    async def recognize(
        self, utterance: Utterance, language: str, terms: tuple[str, ...], is_draft: bool
    ) -> Any:
        await asyncio.sleep(WORK_S)
        return self._recognizer.recognize(utterance, language, terms, is_draft=is_draft)


async def connect(address: str) -> connection.RayServices:
    """As a server connects; what it deploys are these."""
    deployments.TranslatorReplica = ScriptedTranslatorReplica  # type: ignore[misc, assignment]
    deployments.RecognizerReplica = ScriptedRecognizerReplica  # type: ignore[misc, assignment]
    deployments.FEWER_AFTER_S = 5.0  # not minutes
    return await connection.connect(address)
