"""`surtitle subtitle --ray`: what is sent to the cluster, and what is told of what comes back."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.cluster import Tell, WorkersLost
from surtitle.pipeline.commands import scattering
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.jobs.setup import Setup
from surtitle.pipeline.jobs.work import Outcome
from surtitle.pipeline.workers.recordings import Cores
from surtitle.pipeline.workers.subtitler import Done, Errand


class FilesCluster:
    """Writes the subtitle files of each recording, or fails with it."""

    is_away = False

    def __init__(self, errors: dict[str, Exception] | None = None, free: int = 2) -> None:
        self.errors = errors or {}
        self.free = free
        self.setups: list[Setup] = []
        self.errands: list[Errand] = []
        self.is_closed = False

    def submit(
        self, service: str, method: str, *arguments: Any, tell: Tell | None = None
    ) -> Future[Any]:
        assert service == "recordings"
        answer: Future[Any] = Future()
        if method == "begin":
            self.setups += arguments
            answer.set_result(Cores(2, self.free))
            return answer
        (errand,) = arguments
        self.errands.append(errand)
        assert tell is not None
        tell(700)
        error = self.errors.get(errand.given.path.name)
        if error is not None:
            answer.set_exception(error)
            return answer
        outcome = Outcome(1500, "en", 2)
        for track in errand.given.tracks("en"):
            track.path.write_text("as subtitled")
            outcome.written[track.path] = []
        answer.set_result(Done(outcome, 3.0, [f"{errand.given.path.name} is odd"]))
        return answer

    def wait(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("talks")
    folder.mkdir()
    for name in ("one.wav", "two.wav"):
        (folder / name).write_bytes(b"RIFF")
    return folder


def run(cluster: FilesCluster, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(scattering, "open_cluster", lambda address: cluster)
    return main(["subtitle", "talks", "--to", "es", "--ray", "auto", *arguments])


def test_each_recording_is_a_task_with_whole_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FilesCluster()
    assert run(cluster, monkeypatch) == 0
    assert [errand.given.path for errand in cluster.errands] == [
        folder.absolute() / "one.wav",
        folder.absolute() / "two.wav",
    ]
    assert cluster.setups[0].listens and cluster.setups[0].directions == [("en", "es")]
    assert cluster.is_closed
    told = capsys.readouterr().err
    assert "2 files; 2 of the cluster's 2 cores are free" in told
    assert "wrote talks/one.es.srt" in told
    assert "warning: two.wav is odd" in told
    assert "2 done, 0 finished before, 0 failed" in told


def test_what_is_finished_is_skipped_and_not_even_a_cluster_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(FilesCluster(), monkeypatch)
    (folder / "two.en.srt").unlink()
    again = FilesCluster()
    assert run(again, monkeypatch) == 0
    assert [errand.given.path.name for errand in again.errands] == ["two.wav"]
    third = FilesCluster()
    assert run(third, monkeypatch) == 0
    assert not third.setups


def test_a_bad_recording_and_a_lost_one_are_a_line_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "three.wav").write_bytes(b"RIFF")
    errors: dict[str, Exception] = {
        "one.wav": MediaError("one.wav cannot be decoded"),
        "two.wav": WorkersLost("two.wav: 3 workers were lost over it"),
    }
    assert run(FilesCluster(errors), monkeypatch) == 1
    told = capsys.readouterr().err
    assert "failed: one.wav cannot be decoded" in told
    assert "failed: two.wav: 3 workers were lost over it" in told
    assert "1 done, 0 finished before, 2 failed" in told


def test_where_no_core_is_free_that_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(FilesCluster(free=0), monkeypatch)
    assert "nothing begins before one is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch"], "--watch works on this computer; leave out --ray"),
        (["--ray", "nowhere"], "auto, or an address like 192.0.2.7:6379, got 'nowhere'"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    arguments: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(FilesCluster(), monkeypatch, *arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())
