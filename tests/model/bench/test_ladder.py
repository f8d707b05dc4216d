"""The ladder with short parts: modules of Python's own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surtitle.model.bench import ladder
from surtitle.model.bench.ladder import Part

WAITING = ["timeit", "-n1", "-r1", "import time; time.sleep(60)"]


def writing(folder: Path, name: str, *, lines: str) -> list[str]:
    """A module that writes the results of the part `name`."""
    return [
        "timeit",
        "-n1",
        "-r1",
        f"open({str(folder / name)!r} + '.jsonl', 'w').write({lines!r})",
    ]


def read(folder: Path) -> list[Any]:
    """The results without what they took."""
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in found]


def climb(folder: Path, parts: dict[str, Part], *options: str, monkeypatch: Any) -> int:
    monkeypatch.setattr(ladder, "parts", lambda *_: parts)
    monkeypatch.setattr(ladder.signal, "signal", lambda *_: None)  # this process has its own
    monkeypatch.setattr(sys, "argv", ["ladder.py", str(folder), *options])
    return ladder.main()


def test_a_part_that_fails_is_said_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {
        "broken": Part(["timeit", "nonsense"], 60),
        "slow": Part(WAITING, 1),
        "good": Part(writing(tmp_path, "good", lines='{"ms": 1}\n{"ms": 2}\n{"torn'), 60),
    }
    assert climb(tmp_path, parts, monkeypatch=monkeypatch) == 1
    out = capsys.readouterr().out
    assert "broken: failed (1)" in out and "NameError: name 'nonsense'" in out
    assert "slow: stopped after 1 s" in out
    assert "good: done" in out
    assert read(tmp_path) == [
        {"part": "broken", "status": "failed (1)"},
        {"part": "slow", "status": "stopped after 1 s"},
        {"ms": 1},
        {"ms": 2},
        {"part": "good", "status": "done"},
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"ladder.log", "results.jsonl"}


def test_no_part_takes_more_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"waiting": Part(WAITING, 60), "late": Part(WAITING, 60)}
    assert climb(tmp_path, parts, "--seconds", "1", monkeypatch=monkeypatch) == 1
    assert "waiting: stopped after 1 s" in capsys.readouterr().out
    assert [line["status"] for line in read(tmp_path)] == ["stopped after 1 s", "no time left"]


def test_only_the_parts_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"a": Part(["this"], 60), "b": Part(["this"], 60), "sweep": Part(["this"], 60)}
    assert climb(tmp_path, parts, monkeypatch=monkeypatch) == 0
    assert climb(tmp_path, parts, "--parts", "sweep,a", monkeypatch=monkeypatch) == 0
    assert [line["part"] for line in read(tmp_path)] == ["a", "b", "sweep", "a"]
    assert climb(tmp_path, parts, "--parts", "c", monkeypatch=monkeypatch) == 2
    assert "takes some of a,b,sweep, got c" in capsys.readouterr().out


def test_what_is_cut_off_leaves_its_results_and_no_process(tmp_path: Path) -> None:
    first = writing(tmp_path, "first", lines='{"ms": 1}\n')
    code = f"""
import sys
from surtitle.model.bench import ladder
ladder.parts = lambda *_: {{
    "first": ladder.Part({first!r}, 60), "second": ladder.Part({WAITING!r}, 60)
}}
sys.argv = ["ladder.py", {str(tmp_path)!r}]
sys.exit(ladder.main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as climbing:
        assert climbing.stdout is not None
        assert climbing.stdout.readline().startswith(b"first: done")
        climbing.send_signal(signal.SIGTERM)
        assert climbing.wait() == 128 + signal.SIGTERM
    assert read(tmp_path) == [{"ms": 1}, {"part": "first", "status": "done"}]


def test_it_runs_from_a_checkout_without_an_installation() -> None:
    """Isolated, without site-packages: what it imports itself is Python's own."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", ladder.__file__, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "FOLDER" in done.stdout


def test_every_part_is_there_at_toy_size_and_in_full(tmp_path: Path) -> None:
    toy, full = (ladder.parts(tmp_path, is_toy, None, 0.0) for is_toy in (True, False))
    assert list(toy) == list(full) and list(full)[0] == "tests"
    assert list(ladder.parts(tmp_path, False, tmp_path, 0.0)) == [*full, "training"]
    usual = sum(part.seconds for name, part in full.items() if name not in ladder.ON_REQUEST)
    assert usual <= ladder.SECONDS
