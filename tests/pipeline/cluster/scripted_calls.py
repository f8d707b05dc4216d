"""A cluster whose calls wait until a test answers them."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any, NamedTuple

from surtitle.pipeline.cluster import ClusterAway, Tell


class Asked(NamedTuple):
    service: str
    method: str
    arguments: tuple[Any, ...]
    answer: Future[Any]


class ScriptedCluster:
    """With `answers`, by the method, these are given at once; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.waits_s: list[float] = []
        self.there = threading.Event()
        self.there.set()
        self.comes_back = False

    @property
    def is_away(self) -> bool:
        return not self.there.is_set()

    def submit(
        self, service: str, method: str, *arguments: Any, tell: Tell | None = None
    ) -> Future[Any]:
        answer: Future[Any] = Future()
        self.asked.append(Asked(service, method, arguments, answer))
        if self.is_away:
            answer.set_exception(ClusterAway("the cluster is away"))
        elif isinstance(found := self.answers.get(method), BaseException):
            answer.set_exception(found)
        elif found is not None:
            answer.set_result(found)
        return answer

    def wait(self, timeout_s: float) -> bool:
        self.waits_s.append(timeout_s)
        if self.comes_back:
            self.there.set()
        return not self.is_away
