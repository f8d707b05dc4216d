import io

import pytest
from rich.console import Console

from surtitle.pipeline.commands.terminal import CaptionLines, TerminalView, printable
from surtitle.pipeline.events import Caption


def caption(
    segment_id: int, text: str, language: str = "es", *, revision: int = 0, is_final: bool = False
) -> Caption:
    return Caption(segment_id, revision, language, text, 61_000, 62_000, is_final)


def message(*captions: Caption, session: str = "s-1") -> dict[str, object]:
    fields = ("segment_id", "revision", "language", "text", "start_ms", "end_ms", "is_final")
    found = [{name: getattr(one, name) for name in fields} for one in captions]
    return {"type": "snapshot", "session": session, "captions": found}


def test_a_newer_draft_replaces_an_older_one() -> None:
    lines = CaptionLines()
    for revision, text in ((1, "a"), (3, "a b c"), (2, "a b")):
        assert not lines.push(caption(0, text, revision=revision))
    assert [draft.text for draft in lines.drafts] == ["a b c"]


def test_a_final_is_new_once_and_removes_its_drafts() -> None:
    lines = CaptionLines()
    lines.push(caption(0, "draft"))
    lines.push(caption(0, "Entwurf", "de"))
    assert lines.push(caption(0, "final", is_final=True))
    assert not lines.push(caption(0, "final", is_final=True))
    assert not lines.push(caption(0, "late draft", revision=9))
    assert [draft.text for draft in lines.drafts] == ["Entwurf"]


def test_a_pipe_gets_finals_only(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView(Console(file=io.StringIO()), names_languages=False) as view:
        view.show(caption(0, "hol"))
        view.show(caption(0, "hola", is_final=True))
        view.say("connection lost")
    captured = capsys.readouterr()
    assert captured.out == "hola\n"
    assert captured.err == "surtitle: connection lost\n"


def test_languages_are_named_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView(Console(file=io.StringIO()), names_languages=True) as view:
        view.show(caption(0, "hello", "en", is_final=True))
    assert capsys.readouterr().out == "en: hello\n"


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
