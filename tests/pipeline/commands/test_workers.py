"""`surtitle workers`: what is asked to be deployed, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.cluster import ClusterError
from surtitle.pipeline.commands import workers
from surtitle.pipeline.workers.deployments import Amount, Plan, State


class Deployer:
    """Deploys what is planned; the command is stopped when all its states were asked for."""

    def __init__(self, *states: Mapping[str, State]) -> None:
        self._states = list(states)
        self.plans: list[Plan] = []
        self.removed: list[str] = []
        self.is_away = self.is_closed = self.is_stopped = False

    def submit(self, service: str, method: str, *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        if method == "deploy":
            self.plans += arguments
            answer.set_result(["translator", "recognizer"])
        elif method == "states":
            answer.set_result(self._states.pop(0))
            self.is_stopped = not self._states
        else:
            self.removed += arguments[0]
            answer.set_result(None)
        return answer

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def deployer(monkeypatch: pytest.MonkeyPatch) -> Deployer:
    found = Deployer(
        {"translator": State(0, 2)},
        {"translator": State(0, 2)},
        {"translator": State(1, 1, "a message")},
    )

    class Stop:
        def __enter__(self) -> Stop:
            return self

        def __exit__(self, *whatever: object) -> None: ...

        @property
        def is_wanted(self) -> bool:
            return found.is_stopped

    @contextmanager
    def no_cluster_of_its_own(*whatever: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(workers, "Stop", Stop)
    monkeypatch.setattr(workers, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(workers, "local_cluster", no_cluster_of_its_own)
    monkeypatch.setattr(workers, "open_cluster", lambda address: found)
    monkeypatch.setattr(workers, "for_other_languages", lambda config: None)
    return found


def test_it_deploys_tells_what_changes_and_takes_it_down(
    deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--translators", "1-8", "--translator-gpus", "0.5", "--recognizers", "2"]
    assert main(["workers", *options, "--asr", "moonshine"]) == 0
    (plan,) = deployer.plans
    assert (plan.translators, plan.recognizers) == (Amount(1, 8, 0.5), Amount(2, 2))
    assert plan.recognizer.engine == "moonshine"
    assert capsys.readouterr().out.splitlines() == [
        "Deployed: translator, recognizer; Ctrl-C takes them down",
        "translator: 0 running, 2 starting",
        "translator: 1 running, 1 starting (a message)",
        "Taking them down",
    ]
    assert deployer.removed == ["translator", "recognizer"]
    assert deployer.is_closed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--translators", "many"], "got 'many'"),
        (["--translators", "5-2"], "got 5-2"),
        (["--recognizer-gpus", "-1"], "got -1"),
        (["--translators", "0", "--recognizers", "0"], "there is nothing to do"),
        (["--ray", "ray://head:10001"], "ray start --address"),
    ],
)
def test_wrong_options_are_told_with_what_is_allowed(
    options: list[str], message: str, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workers", *options]) == 2
    assert message in capsys.readouterr().err
    assert not deployer.plans


def test_a_cluster_that_cannot_be_used_is_one_line(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(address: str) -> None:
        raise ClusterError(f"the cluster at {address} asks nobody for a token")

    monkeypatch.setattr(workers, "open_cluster", refuse)
    assert main(["workers", "--ray", "192.0.2.7:6379"]) == 1
    assert capsys.readouterr().err == (
        "surtitle: the cluster at 192.0.2.7:6379 asks nobody for a token\n"
    )
