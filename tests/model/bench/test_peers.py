"""Apertium, and a small program in its place."""

import shutil
from pathlib import Path

import pytest

from surtitle.model.bench.peers import find_apertium
from surtitle.model.errors import PeerError

EN_ES = ("en", "es")
LINES = ["Do you go home", "you look stupid", "I have a problem.", "my dog is big"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shouts what it is told, instead of translating it."""
    path = tmp_path / "apertium"
    path.write_text(
        '#!/bin/sh\ncase "$1" in -l) echo "  eng-spa";; -V) echo "Apertium 0";; '
        "*) tr a-z A-Z;; esac\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return path


@pytest.mark.usefixtures("program")
def test_each_line_has_its_answer() -> None:
    apertium = find_apertium(EN_ES)
    assert apertium is not None and apertium.name == "Apertium 0"
    assert apertium.translate(["one  two", "", "three"]) == ["ONE TWO", "", "THREE"]
    assert apertium.translate([]) == []


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("direction", [("es", "en"), ("en", "xx")])
def test_a_direction_that_it_does_not_know(direction: tuple[str, str]) -> None:
    assert find_apertium(direction) is None


@pytest.mark.parametrize(
    ("ending", "message"),
    [("*) echo one;; esac", "made 1 lines of 4"), ("*) exit 3;; esac", "exit status 3")],
)
def test_its_failures_are_said(program: Path, ending: str, message: str) -> None:
    apertium = find_apertium(EN_ES)
    assert apertium is not None
    program.write_text(program.read_text().replace("*) tr a-z A-Z;; esac", ending))
    with pytest.raises(PeerError, match=message):
        apertium.translate(["one", "two"])


def test_none_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_apertium(EN_ES) is None


@pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is not installed")
def test_lines_do_not_run_into_each_other() -> None:
    apertium = find_apertium(EN_ES)
    if apertium is None:
        pytest.skip("Apertium has no eng-spa")
    alone = [answer for line in LINES for answer in apertium.translate([line])]
    assert apertium.translate(LINES) == alone
