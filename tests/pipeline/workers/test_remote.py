"""What a server uses of a cluster, by what is deployed there."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from surtitle.pipeline.cluster import ClusterError, Tell
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.recognizers.child_work import Traits
from surtitle.pipeline.translators.remote import TranslatorTraits
from surtitle.pipeline.workers import remote
from surtitle.pipeline.workers.deployments import State
from surtitle.pipeline.workers.remote import open_recognizer_of, open_translator_of

from ..scripted_recognizer import ScriptedRecognizer, scripted_pool

CONFIG = RecognizerConfig()
RUNNING, STARTING = State(1, 0), State(0, 1)


def hearing(*languages: str) -> ScriptedRecognizer:
    recognizer = ScriptedRecognizer("x")
    recognizer.languages = frozenset(languages)
    return recognizer


class Deployed:
    """A cluster with these services, whose recognizer for English has three workers."""

    is_away = False

    def __init__(self, **states: State) -> None:
        self._states = {name.replace("_", "-"): state for name, state in states.items()}

    def submit(
        self, service: str, method: str, *arguments: Any, tell: Tell | None = None
    ) -> Future[Any]:
        answer: Future[Any] = Future()
        if method == "states":
            answer.set_result(self._states)
        elif service == "translator":
            answer.set_result(TranslatorTraits("the embedded model", 32, {"en": {"es"}}))
        elif self._states[service].running:
            languages = {"recognizer": "en", "other-languages": "en es de"}[service].split()
            answer.set_result((Traits.of(hearing(*languages)), 3))
        return answer

    def wait(self, timeout_s: float) -> bool:
        return True


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here hears other languages."""
    monkeypatch.setattr(remote, "for_other_languages", lambda config: None)


def said(cluster: Deployed) -> tuple[frozenset[str] | None, list[str]]:
    lines: list[str] = []

    async def open_and_close() -> frozenset[str] | None:
        recognizer = open_recognizer_of(cluster, CONFIG, lines.append)
        if recognizer is None:
            return None
        languages = recognizer.languages
        await recognizer.aclose()
        return languages

    return asyncio.run(open_and_close()), lines


def test_the_translator_is_that_of_the_workers() -> None:
    translator = open_translator_of(Deployed(translator=RUNNING), lambda line: None)
    assert translator is not None
    assert (translator.name, translator.at_once) == ("the embedded model", 32)


def test_what_is_not_deployed_is_not_used() -> None:
    assert open_translator_of(Deployed(recognizer=RUNNING), lambda line: None) is None
    assert said(Deployed(translator=RUNNING)) == (None, [])


def test_a_cluster_without_workers_is_an_error_with_the_remedy() -> None:
    with pytest.raises(ClusterError, match="start them: surtitle workers --ray ADDRESS"):
        open_translator_of(Deployed(), lambda line: None)


def test_each_language_is_heard_by_its_workers() -> None:
    languages, lines = said(Deployed(recognizer=RUNNING, other_languages=RUNNING))
    assert languages == {"en", "es", "de"}
    assert lines[-1].startswith("Other languages: ")


def test_languages_whose_workers_do_not_run_are_heard_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "for_other_languages", lambda config: CONFIG)
    here = hearing("en", "fr")
    monkeypatch.setattr(remote, "open_pool", lambda *whatever: scripted_pool(here))
    languages, lines = said(Deployed(recognizer=RUNNING, other_languages=STARTING))
    assert languages == {"en", "fr"}
    assert lines[-1] == (
        "Other languages are recognized here, as no worker for them runs in the cluster"
    )


def test_workers_that_never_come_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "READY_S", 0.05)
    with pytest.raises(ClusterError, match="no recognizer of the cluster is ready after"):
        said(Deployed(recognizer=STARTING))
