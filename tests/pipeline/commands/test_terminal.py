import io
import json
import os
import sys
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from surtitle.pipeline.commands.terminal import (
    MOST_BELOW,
    CaptionLines,
    TerminalView,
    printable,
)
from surtitle.pipeline.events import Caption

ROOT = Path(__file__).parents[3]


def caption(
    segment_id: int, text: str, language: str = "es", *, revision: int = 0, is_final: bool = False
) -> Caption:
    return Caption(segment_id, revision, language, text, 61_000, 62_000, is_final)


def message(*captions: Caption, session: str = "s-1") -> dict[str, object]:
    fields = ("segment_id", "revision", "language", "text", "start_ms", "end_ms", "is_final")
    found = [{name: getattr(one, name) for name in fields} for one in captions]
    return {"type": "snapshot", "session": session, "captions": found}


def texts(captions: list[Caption]) -> list[str]:
    return [caption.text for caption in captions]


def test_a_newer_draft_replaces_an_older_one() -> None:
    lines = CaptionLines()
    for revision, text in ((1, "a"), (3, "a b c"), (2, "a b")):
        assert not lines.push(caption(0, text, revision=revision))
    assert texts(lines.below) == ["a b c"]


def test_a_final_is_new_once_and_removes_its_drafts() -> None:
    lines = CaptionLines()
    lines.push(caption(0, "draft"))
    lines.push(caption(0, "Entwurf", "de"))
    assert texts(lines.push(caption(0, "final", is_final=True))) == ["final"]
    assert not lines.push(caption(0, "final", is_final=True))
    assert not lines.push(caption(0, "late draft", revision=9))
    assert texts(lines.below) == ["Entwurf"]


def test_a_final_that_waits_for_another_stands_below_until_its_turn() -> None:
    lines = CaptionLines()
    lines.push(caption(0, "uno"))
    assert not lines.push(caption(1, "DOS", is_final=True))
    assert not lines.push(caption(1, "dos", revision=9))
    assert texts(lines.below) == ["uno", "DOS"]
    assert texts(lines.push(caption(0, "UNO", is_final=True))) == ["UNO", "DOS"]
    assert lines.below == []


def test_the_lines_below_are_bounded() -> None:
    lines = CaptionLines()
    for segment_id in range(10 * MOST_BELOW):
        lines.push(caption(segment_id, "draft"))
    assert len(lines.below) == MOST_BELOW


def heard(capsys: pytest.CaptureFixture[str], *messages: dict[str, object]) -> str:
    """What a pipe gets of messages."""
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        for one in messages:
            view.hear(one)
    return capsys.readouterr().out


def said(segment_id: int, text: str, **fields: object) -> dict[str, object]:
    """A message with a final caption."""
    captions = message(caption(segment_id, text, is_final=True))["captions"]
    assert isinstance(captions, list)
    return {"type": "caption", **captions[0], **fields}


def test_a_late_final_is_shown_in_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    spoken = [said(0, "PRIMERA"), said(2, "TERCERA"), said(1, "SEGUNDA"), said(1, "SEGUNDA")]
    assert heard(capsys, message(), *spoken) == "PRIMERA\nSEGUNDA\nTERCERA\n"


@pytest.mark.parametrize(
    "end",
    [
        {"type": "stopped", "session": "s-1"},
        {"type": "snapshot", "session": None, "captions": []},
        message(session="s-2"),
        {"type": "started", "session": "s-2"},
        {"type": "of another version"},  # it is the end of the program
    ],
    ids=lambda end: f"{end['type']} {end.get('session')}",
)
def test_what_waits_is_shown_when_the_session_is_over(
    end: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert heard(capsys, message(), said(1, "dos"), end) == "dos\n"


def test_who_comes_in_the_middle_does_not_wait_for_the_beginning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        view.hear(message(caption(41, "b", is_final=True), caption(40, "a", is_final=True)))
        view.hear(said(42, "c"))
        assert capsys.readouterr().out == "a\nb\nc\n"


def test_the_recorded_talk_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROOT / "samples/captions.jsonl").read_text(encoding="utf-8").splitlines()
    spanish = [m for m in map(json.loads, lines) if m.get("language") != "en"]
    sentences = (ROOT / "samples/harbor.es.txt").read_text(encoding="utf-8").splitlines()[:12]
    assert heard(capsys, *spanish).splitlines() == sentences


def test_what_is_wrong_at_the_server_is_said_each_time_that_it_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    notices = ["3 captions are not stored", "3 captions are not stored", "", "slow", 7]
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        for notice in notices:
            view.hear({"type": "status", "lag_ms": 0, "notice": notice})
    assert capsys.readouterr().err == "surtitle: 3 captions are not stored\nsurtitle: slow\n"


def test_a_pipe_gets_finals_only(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        view.show(caption(0, "hol"))
        view.show(caption(0, "hola", is_final=True))
        view.say("connection lost")
    captured = capsys.readouterr()
    assert captured.out == "hola\n"
    assert captured.err == "surtitle: connection lost\n"


def unread() -> TextIO:
    """Output into a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", buffering=1)


def test_captions_that_wait_when_their_reader_goes_are_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with unread() as output, TerminalView(Console(), names_languages=False) as view:
        monkeypatch.setattr(sys, "stdout", output)
        view.hear(message())
        view.hear(said(1, "dos"))


def test_captions_go_on_where_nobody_reads_the_notices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with unread() as output, TerminalView(Console(), names_languages=False) as view:
        monkeypatch.setattr(sys, "stderr", output)
        view.say("trying again in 0.5 s")
        view.hear(said(0, "uno"))
        assert capsys.readouterr().out == "uno\n"


def test_languages_are_named_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView(Console(file=io.StringIO()), names_languages=True) as view:
        view.show(caption(0, "hello", "en", is_final=True))
    assert capsys.readouterr().out == "en: hello\n"


def test_who_says_it_is_named_where_several_speak(capsys: pytest.CaptureFixture[str]) -> None:
    out = heard(capsys, message(), said(0, "Hola.", is_final=True, speaker="Ann"))
    assert out == "Ann: Hola.\n"


def test_snapshots_repeat_nothing_within_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (caption(n, f"line {n}", is_final=True) for n in (0, 1))
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        view.hear(message(first))
        view.hear(message(second, first))
        view.hear({"type": "snapshot", "session": None, "captions": []})
        view.hear(message(first))
        view.hear(message(first, session="s-2"))
    assert capsys.readouterr().out == "line 0\nline 1\nline 0\n"


def test_notices_are_said_once_in_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    started = {"type": "started", "session": "s-1", "notices": ["one", "two"]}
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        view.hear(started)
        view.hear(started)  # resumed
    assert capsys.readouterr().err == "surtitle: one\nsurtitle: two\n"


def test_a_terminal_shows_that_it_starts() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60, color_system=None)
    with TerminalView(console, names_languages=False) as view:
        view.show_status("starting…")
        assert "starting…" in screen.getvalue()
        view.hear({"type": "started", "session": "s-1"})
        screen.seek(0)
        screen.truncate()
        view.show(caption(0, "hol"))
    assert "hol" in screen.getvalue() and "starting…" not in screen.getvalue()


def test_a_terminal_shows_drafts_and_the_lag() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60, color_system=None)
    with TerminalView(console, names_languages=False) as view:
        view.show(caption(0, "El puerto"))
        view.hear({"type": "status", "lag_ms": 640})
        view.show(caption(0, "El puerto abre.", is_final=True))
    shown = screen.getvalue()
    assert "01:01 El puerto" in shown and "0.6 s behind" in shown
    assert "01:01 El puerto abre.\n" in shown.replace("\r", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jhola\x07", " [2Jhola "),
        ("one\ntwo\u2028three", "one two three"),
        ("می\u200cشود 👩\u200d🚀", "می\u200cشود 👩\u200d🚀"),
    ],
)
def test_text_from_afar_does_not_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
