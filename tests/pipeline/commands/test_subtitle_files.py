"""`surtitle subtitle` with subtitle files, text tracks, videos to make, and folders."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import av
import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.jobs import arrivals as watching
from surtitle.pipeline.jobs import setup
from surtitle.pipeline.subtitles.documents import read_document

from ...patience import PATIENCE_S
from ..scripted_translator import ScriptedTranslator
from ..subtitles.films import Track, film
from ..test_recording import SAMPLE, CountingRecognizer

SRT = """1
00:00:01,000 --> 00:00:02,500
{\\an8}We are here

2
00:00:02,600 --> 00:00:04,000
- and <i>there</i>.
"""
ENGLISH = Track("subrip", [(500, 1000, b"<i>Hello.</i>"), (2000, 900, b"Good day.")], "eng")


@pytest.fixture(autouse=True)
def recognizer(monkeypatch: pytest.MonkeyPatch) -> CountingRecognizer:
    recognizer = CountingRecognizer()
    monkeypatch.setattr(setup, "open_recognizer", lambda *_args, **_options: recognizer)
    return recognizer


@pytest.fixture(autouse=True)
def translator(monkeypatch: pytest.MonkeyPatch) -> ScriptedTranslator:
    translator = ScriptedTranslator()
    monkeypatch.setattr(setup, "open_translator", lambda *_args, **_options: translator)
    return translator


def no_recognizer(*_args: object, **_options: object) -> CountingRecognizer:
    raise AssertionError("nothing is to be heard")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_subtitle_file_is_translated_without_a_recognizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, translator: ScriptedTranslator
) -> None:
    monkeypatch.setattr(setup, "open_recognizer", no_recognizer)
    path = tmp_path / "movie.en.srt"
    path.write_text(SRT, encoding="utf-8-sig")
    assert main(["subtitle", str(path), "--to", "es,de"]) == 0
    assert names(tmp_path) == ["movie.de.srt", "movie.en.srt", "movie.es.srt"]
    spanish = read_document(tmp_path / "movie.es.srt")
    assert [cue.text for cue in spanish.cues] == [
        "{\\an8}[es] We are here",
        "- [es] and <i>there</i>.",
    ]
    assert translator.is_closed


def test_a_subtitle_file_becomes_other_formats_and_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "movie.en.srt"
    path.write_text(SRT)
    assert main(["subtitle", str(path), "--to", "es", "--format", "vtt,srt", "--bilingual"]) == 0
    text = (tmp_path / "movie.es.vtt").read_text(encoding="utf-8")
    assert "00:00:02.600 --> 00:00:04.000\n- [es] and there." in text
    both = read_document(tmp_path / "movie.en-es.srt").cues
    assert both[1].text == "- and <i>there</i>.\n- [es] and <i>there</i>."


def test_what_is_off_the_style_guide_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "movie.en.srt"
    path.write_text(SRT.replace("02,500", "01,100"))
    assert main(["subtitle", str(path), "--to", "es", "--report"]) == 0
    assert "  cue 1: shortest 100 ms, limit 834" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say into which language with --to"),
        (["--to", "es", "--mux"], "--mux and --burn need a video"),
        (["--to", "es", "--watch"], "--watch needs a folder"),
    ],
)
def test_wrong_use_of_subtitle_files(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "movie.en.srt"
    path.write_text(SRT)
    assert main(["subtitle", str(path), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_file_in_its_target_language_or_in_no_encoding_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spanish, latin = tmp_path / "a.es.srt", tmp_path / "b.en.srt"
    spanish.write_text(SRT)
    latin.write_bytes(SRT.replace("here", "aquí").encode("latin-1"))
    assert main(["subtitle", str(spanish), str(latin), "--to", "es"]) == 1
    error = capsys.readouterr().err
    assert f"failed: {spanish} is in es already" in error
    assert f"failed: {latin}: line 3 is not UTF-8" in error
    assert names(tmp_path) == ["a.es.srt", "b.en.srt"]


def test_a_text_track_is_taken_instead_of_listening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "open_recognizer", no_recognizer)
    german = Track("subrip", [(500, 1000, b"Hallo")], "ger")
    path = film(tmp_path / "film.mkv", german, ENGLISH)
    command = ["subtitle", str(path), "--to", "es", "--from-track"]
    assert main([*command, "--from", "en"]) == 0
    assert names(tmp_path) == ["film.en.srt", "film.es.srt", "film.mkv"]
    cues = read_document(tmp_path / "film.es.srt").cues
    assert [cue.text for cue in cues] == ["<i>[es] Hello.</i>", "[es] Good day."]
    assert main(command) == 0  # finished, in whatever language
    assert "finished before" in capsys.readouterr().err


def test_soft_tracks_hold_what_was_corrected_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "open_recognizer", no_recognizer)
    path = film(tmp_path / "film.mp4")
    for language, text in (("en", "Corrected."), ("es", "Corregido.")):
        subtitles = f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n"
        (tmp_path / f"film.{language}.srt").write_text(subtitles)
    command = ["subtitle", str(path), "--to", "es", "--mux"]
    assert main(command) == 0
    with av.open(str(tmp_path / "film.subtitled.mp4")) as container:
        assert [each.language for each in container.streams.subtitles] == ["eng", "spa"]
    command = ["subtitle", str(tmp_path / "film.subtitled.mp4"), "--from-track", "--to", "de"]
    assert main(command) == 0
    german = read_document(tmp_path / "film.subtitled.de.srt").cues
    assert [cue.text for cue in german] == ["[de] Corregido."]  # of the default track


def test_burning_without_ffmpeg_is_one_line_before_the_work(
    tmp_path: Path,
    recognizer: CountingRecognizer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = ["subtitle", str(SAMPLE), "--burn", "--output-dir", str(tmp_path)]
    assert main(command) == 1
    assert "--burn needs the program ffmpeg" in capsys.readouterr().err
    assert recognizer.heard == 0 and names(tmp_path) == []


def test_a_folder_is_done_but_for_what_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "new.flac", "old.flac":
        (tmp_path / name).symlink_to(SAMPLE)
    (tmp_path / "old.en.srt").touch()
    (tmp_path / "old.es.srt").touch()
    (tmp_path / "bad.mp4").write_bytes(b"")
    (tmp_path / "alone.en.srt").write_text(SRT)
    assert main(["subtitle", str(tmp_path), "--to", "es"]) == 1
    assert {"new.en.srt", "new.es.srt", "alone.es.srt"} <= set(names(tmp_path))
    assert (tmp_path / "old.es.srt").read_text() == ""
    error = capsys.readouterr().err
    assert "2 done, 1 finished before, 1 failed" in error
    assert error.count("failed: ") == 1 and "bad.mp4 is empty" in error


def test_of_two_recordings_of_one_name_in_a_folder_the_first_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "talk.flac", "talk.ogg":
        (tmp_path / name).symlink_to(SAMPLE)
    assert main(["subtitle", str(tmp_path)]) == 1
    assert "talk.ogg would write the files of" in capsys.readouterr().err
    assert "talk.en.srt" in names(tmp_path)


def test_an_empty_folder_is_no_failure(tmp_path: Path) -> None:
    assert main(["subtitle", str(tmp_path)]) == 0


def test_a_watched_folder_is_done_as_files_come_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.05)
    first, second = tmp_path / "first.es.srt", tmp_path / "second.es.srt"
    (tmp_path / "first.en.srt").write_text(SRT)

    def visitor() -> None:
        wait_for(first)
        (tmp_path / "bad.en.srt").write_text("nothing")
        (tmp_path / "second.en.srt").write_text(SRT)
        wait_for(second)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=visitor)
    thread.start()
    status = main(["subtitle", str(tmp_path), "--to", "es", "--watch"])
    thread.join()
    error = capsys.readouterr().err
    assert first.exists() and second.exists(), error
    assert status == 1 and error.count("failed: ") == 1  # the bad one, once
    assert "2 done, 0 finished before, 1 failed" in error


def wait_for(path: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
