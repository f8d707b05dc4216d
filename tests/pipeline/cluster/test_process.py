"""The process with the connection: what is called is answered, and the server outlives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from surtitle.pipeline.cluster import ClusterAway, ClusterError, process, process_work
from surtitle.pipeline.cluster.process import ClusterProcess
from surtitle.pipeline.errors import SurtitleError, TranslatorError

from .scripted_cluster import connect

PATIENCE_S = 60.0


@pytest.fixture(scope="module")  # for tests that leave it as it was
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    folder = tmp_path_factory.mktemp("shared")
    opened = ClusterProcess(partial(connect, folder), "the cluster of the tests")
    yield opened
    opened.close()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterProcess]:
    monkeypatch.setattr(process, "FIRST_WAIT_S", 0.1)
    opened = ClusterProcess(partial(connect, tmp_path), "the cluster of the tests")
    yield opened
    opened.close()


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "it takes too long"
        time.sleep(0.02)


def test_calls_are_answered_each_with_its_own(shared: ClusterProcess) -> None:
    answers = [shared.submit("translator", "echo", number) for number in range(20)]
    found = [answer.result(PATIENCE_S) for answer in answers]
    assert found == [("translator", number) for number in range(20)]


def test_a_slow_call_keeps_no_other_waiting(shared: ClusterProcess) -> None:
    slow = shared.submit("translator", "wait", "slow")
    assert shared.submit("translator", "echo").result(PATIENCE_S) == ("translator",)
    assert not slow.done()


def test_an_error_of_ours_comes_as_what_it_is(shared: ClusterProcess) -> None:
    with pytest.raises(TranslatorError, match="^no Klingon$"):
        shared.submit("translator", "refuse", "no Klingon").result(PATIENCE_S)


def test_a_fault_comes_with_its_trace_and_concerns_nobody_else(shared: ClusterProcess) -> None:
    with pytest.raises(SurtitleError, match="KeyError: 'oops'"):
        shared.submit("translator", "break", "oops").result(PATIENCE_S)
    assert shared.submit("translator", "echo").result(PATIENCE_S) == ("translator",)


def test_what_a_call_tells_comes_before_its_answer(shared: ClusterProcess) -> None:
    told: list[int] = []
    answer = shared.submit("recordings", "tell", 1, 2, 3, tell=told.append)
    assert answer.result(PATIENCE_S) == 3
    assert told == [1, 2, 3]


def test_cancelling_a_call_tells_the_cluster(shared: ClusterProcess) -> None:
    told: list[str] = []
    mine = shared.submit("translator", "wait", "mine", tell=told.append)
    until(lambda: told == ["begun"])
    assert mine.cancel()

    def is_told() -> bool:
        return shared.submit("translator", "cancelled").result(PATIENCE_S) == ["mine"]

    until(is_told)


@pytest.mark.parametrize("fate", ["die", "stop"])
def test_a_process_that_dies_or_hangs_is_replaced(
    fate: str, cluster: ClusterProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SILENCE_S", 10.0)
    waiting = cluster.submit("translator", "wait", "whoever")
    cluster.submit("translator", fate)
    with pytest.raises(ClusterAway, match="the cluster of the tests is away"):
        waiting.result(PATIENCE_S)
    assert cluster.wait(PATIENCE_S)
    assert cluster.submit("translator", "echo").result(PATIENCE_S) == ("translator",)
    assert len(list(tmp_path.glob("process-*"))) == 2


def test_while_the_cluster_is_away_calls_fail_at_once(
    cluster: ClusterProcess, tmp_path: Path
) -> None:
    (tmp_path / "is away").touch()
    waiting = cluster.submit("translator", "wait", "whoever")
    with pytest.raises(ClusterAway):  # the process has looked whether the cluster is there
        waiting.result(process_work.CHECK_S + PATIENCE_S)
    assert cluster.is_away
    asked = cluster.submit("translator", "echo")
    assert asked.done()
    with pytest.raises(ClusterAway):
        asked.result()
    (tmp_path / "is away").unlink()
    assert cluster.wait(PATIENCE_S)
    assert cluster.submit("translator", "echo").result(PATIENCE_S) == ("translator",)


def test_a_cluster_that_is_not_there_at_first_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "is away").touch()
    with pytest.raises(ClusterError, match="^no cluster is there; start one$"):
        ClusterProcess(partial(connect, tmp_path), "the cluster of the tests")


def test_closing_ends_the_process_in_order(cluster: ClusterProcess, tmp_path: Path) -> None:
    waiting = cluster.submit("translator", "wait", "whoever")
    cluster.close()
    with pytest.raises(ClusterAway):
        waiting.result(PATIENCE_S)
    assert (tmp_path / "closed").exists()
