"""What runs in a replica, here in this process."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from surtitle.pipeline.cluster import Failure
from surtitle.pipeline.config import RecognizerConfig, TranslatorConfig
from surtitle.pipeline.errors import RecognizerError, TranslatorError
from surtitle.pipeline.events import TranslationRequest, Utterance
from surtitle.pipeline.workers import replicas
from surtitle.pipeline.workers.replicas import RecognizerReplica, TranslatorReplica

from ..scripted_recognizer import ScriptedRecognizer
from ..scripted_translator import ScriptedTranslator

SOUND = Utterance(0, np.zeros(16_000, np.float32))


class Opened:
    """What stands in front of a translator, which a replica leaves out."""

    def __init__(self, backend: ScriptedTranslator) -> None:
        self.backend = backend


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> ScriptedTranslator:
    found = ScriptedTranslator(errors={"too long": TranslatorError("it is too long")})
    monkeypatch.setattr(replicas, "open_translator", lambda *_: Opened(found))
    return found


@pytest.fixture
def recognizer(monkeypatch: pytest.MonkeyPatch) -> ScriptedRecognizer:
    found = ScriptedRecognizer("good morning to you")
    monkeypatch.setattr(replicas, "open_recognizer", lambda *_: found)
    return found


def test_a_translator_answers_and_says_what_it_knows(translator: ScriptedTranslator) -> None:
    replica = TranslatorReplica(TranslatorConfig("echo"), 48)
    request = TranslationRequest("<i>good</i>", "en", "es")
    assert asyncio.run(replica.translate(request)) == "[es] <i>good</i>"
    assert asyncio.run(replica.traits()).at_once == 48


def test_an_error_of_ours_is_an_answer(translator: ScriptedTranslator) -> None:
    replica = TranslatorReplica(TranslatorConfig("echo"), 16)
    answer = asyncio.run(replica.translate(TranslationRequest("too long", "en", "es")))
    assert answer == Failure(TranslatorError, "it is too long")
    assert isinstance(answer, Failure) and isinstance(answer.raised(), TranslatorError)


def test_a_recognizer_answers_and_says_what_it_is(recognizer: ScriptedRecognizer) -> None:
    replica = RecognizerReplica(RecognizerConfig(), 3)
    traits, most = asyncio.run(replica.traits())
    assert (traits.name, most) == (recognizer.name, 3)
    words = asyncio.run(replica.recognize(SOUND, "en", ("harbor",), True))
    assert words[0].text == "good"
    assert recognizer.calls[0][1:] == (True, "en", ("harbor",))
    assert asyncio.run(replica.guess_language(SOUND)).language == "en"


def test_a_recognizer_that_cannot_go_on_says_so(recognizer: ScriptedRecognizer) -> None:
    recognizer.error = RecognizerError("no more")
    replica = RecognizerReplica(RecognizerConfig(), 1)
    answer = asyncio.run(replica.recognize(SOUND, "en", (), False))
    assert answer == Failure(RecognizerError, "no more")
