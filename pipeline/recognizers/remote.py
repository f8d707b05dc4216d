"""A recognizer on other machines: each utterance is a call to whichever worker is free."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from ..audio.pcm import SAMPLE_RATE_HZ
from ..cluster import Cluster, ClusterAway, WorkersLost
from ..errors import RecognizerError
from ..events import Utterance, Word
from . import LanguageGuess, Recognizer, WorkerLost
from .child_work import Elsewhere, Traits

ANSWER_S = 20.0  # for a call, and TIMES what its sound takes to be said
TIMES = 3.0
WAIT_S = 30.0  # for a cluster that is away, where nothing here hears the language

log = logging.getLogger(__name__)


class StandIn:
    """The recognizer here that listens while the cluster is away, opened when that first is so.
    All who listen share it, one utterance at a time."""

    def __init__(self, make: Callable[[], Recognizer]) -> None:
        self._make = make
        self._turn = threading.Lock()
        self._recognizer: Recognizer | None = None
        self._is_there = True

    def call(self, language: str | None, ask: Callable[[Recognizer], Any]) -> Any:
        """What it answers; raises WorkerLost where there is none for the language."""
        with self._turn:
            recognizer = self._opened()
            if recognizer is None or language not in (None, *recognizer.languages):
                raise WorkerLost("the cluster is away")
            return ask(recognizer)

    def close(self) -> None:
        with self._turn:
            self._is_there = False
            if self._recognizer is not None:
                self._recognizer.close()
                self._recognizer = None

    def _opened(self) -> Recognizer | None:
        if self._recognizer is None and self._is_there:
            try:
                self._recognizer = self._make()
            except RecognizerError as error:
                self._is_there = False
                log.warning("nothing here listens while the cluster is away: %s", error)
        return self._recognizer


class RemoteRecognizer(Elsewhere):
    """As many calls at once as there are of these; `service` is one of the cluster's.

    An utterance over which all workers were lost fails with WorkerLost, so that the pool asks
    again. The cluster is not closed, the stand-in is.
    """

    def __init__(self, cluster: Cluster, service: str, traits: Traits, stand_in: StandIn) -> None:
        self._cluster, self._service = cluster, service
        self._traits = traits
        self._stand_in = stand_in
        self._is_closed = threading.Event()

    @property
    def cpu_threads(self) -> int:
        return 0  # of this computer

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return self._call(
            "guess_language",
            utterance,
            None,
            lambda stand_in: stand_in.guess_language(utterance),
            utterance,
        )

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        return self._call(
            "recognize",
            utterance,
            language,
            lambda stand_in: stand_in.recognize(utterance, language, terms, is_draft=is_draft),
            utterance,
            language,
            terms,
            is_draft,
        )

    def close(self) -> None:
        """A call that is running fails when its time is up, or the cluster is closed."""
        self._is_closed.set()
        self._stand_in.close()

    def _call(
        self,
        method: str,
        utterance: Utterance,
        language: str | None,
        ask: Callable[[Recognizer], Any],
        *arguments: Any,
    ) -> Any:
        if self._is_closed.is_set():
            raise RecognizerError("the recognizer is closed")
        limit_s = ANSWER_S + TIMES * utterance.samples.size / SAMPLE_RATE_HZ
        answer = self._cluster.submit(self._service, method, *arguments)
        try:
            return answer.result(limit_s)
        except ClusterAway:
            return self._while_away(language, ask)
        except WorkersLost as error:
            raise WorkerLost(f"the cluster's recognizer: {error}") from error
        except (TimeoutError, CancelledError):
            answer.cancel()
            raise WorkerLost("the cluster's recognizer did not answer in time") from None

    def _while_away(self, language: str | None, ask: Callable[[Recognizer], Any]) -> Any:
        if self._is_closed.is_set():
            raise WorkerLost("the recognizer is closed")
        try:
            return self._stand_in.call(language, ask)
        except WorkerLost:  # the next try finds a cluster that is back
            end_s = time.monotonic() + WAIT_S
            while time.monotonic() < end_s and not self._is_closed.is_set():
                if self._cluster.wait(1.0):
                    break
            raise
