from __future__ import annotations

import errno
import html
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pysubs2
import pytest

from surtitle.pipeline.config import SUBTITLE_FORMATS, SubtitleFormat
from surtitle.pipeline.errors import OutputError
from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.files import (
    MAX_ASS_MS,
    check_writable,
    make_folder,
    subtitle_text,
    write_subtitles,
)

HOSTILE = [
    "a & b &amp; c < d > e",
    "<b>bold</b> <i>it</i> </i> <3 <",
    "{\\an8}up {\\p1}m 0 0 {unclosed",
    "C:\\New\\home\\names",
    "a --> b",
    "00:00:01,000 --> ",
    "1984",
    "هذا نص عربي، 42",
    "emoji 😀👩\u200d👩\u200d👧 e\u0301",
    "WEBVTT",
    "NOTE this",
    ",,comma, \"quotes\" 'n'",
    "[Events]",
    "Dialogue: 0",
    "我们去港口。",
]
SINGLE_CUE: tuple[SubtitleFormat, ...] = ("srt", "vtt", "ass")  # TTML has a region per language
NEAREST = str.maketrans("{}\\", "()/")  # what stands for markup in the file


def cue(start_ms: int, end_ms: int, *lines: str, language: str = "en") -> Cue:
    return Cue(start_ms, end_ms, (TextBlock(language, lines),))


def bilingual(start_ms: int, end_ms: int, top: str, bottom: str) -> Cue:
    return Cue(start_ms, end_ms, (TextBlock("en", (top,)), TextBlock("es", (bottom,))))


def read(text: str, subtitle_format: SubtitleFormat) -> list[tuple[int, int, str]]:
    """What another program sees: times in ms and text as it is shown."""
    file = pysubs2.SSAFile.from_string(text, format_=subtitle_format)
    plain = [(event.start, event.end, event.plaintext) for event in file]
    if subtitle_format == "vtt":
        return [(start, end, html.unescape(text)) for start, end, text in plain]
    return plain


@pytest.mark.parametrize("subtitle_format", SUBTITLE_FORMATS)
def test_cues_survive_a_round_trip(subtitle_format: SubtitleFormat) -> None:
    cues = [cue(800, 2210, "It rains.", "We stay."), cue(3_600_000, 3_602_000, "Later.")]
    assert read(subtitle_text(cues, subtitle_format), subtitle_format) == [
        (800, 2210, "It rains.\nWe stay."),
        (3_600_000, 3_602_000, "Later."),
    ]


@pytest.mark.parametrize("subtitle_format", SINGLE_CUE)
@pytest.mark.parametrize("line", HOSTILE)
def test_text_is_never_markup(line: str, subtitle_format: SubtitleFormat) -> None:
    cues = [cue(0, 1000, line, "second"), cue(2000, 3000, "after")]
    shown = read(subtitle_text(cues, subtitle_format), subtitle_format)
    assert [text.replace("‹", "<").replace("→", "-->") for _, _, text in shown] == [
        f"{line.translate(NEAREST).strip()}\nsecond",
        "after",
    ]


@pytest.mark.parametrize("subtitle_format", SUBTITLE_FORMATS)
def test_a_line_stays_one_line(subtitle_format: SubtitleFormat) -> None:
    text = subtitle_text([cue(0, 1000, "a\n\nb\r\x00c\ud800\uffff", " ", "d")], subtitle_format)
    assert [shown for _, _, shown in read(text, subtitle_format)] == ["a b c\nd"]


@pytest.mark.parametrize("subtitle_format", SINGLE_CUE)
def test_both_languages_stand_in_one_cue(subtitle_format: SubtitleFormat) -> None:
    text = subtitle_text([bilingual(0, 1000, "It rains.", "Llueve.")], subtitle_format)
    assert [shown for _, _, shown in read(text, subtitle_format)] == ["It rains.\nLlueve."]


@pytest.mark.parametrize("subtitle_format", SUBTITLE_FORMATS)
def test_a_language_that_says_nothing_leaves_no_line(subtitle_format: SubtitleFormat) -> None:
    text = subtitle_text([bilingual(0, 1000, " ", "Llueve.")], subtitle_format)
    assert [shown for _, _, shown in read(text, subtitle_format)] == ["Llueve."]


def test_ass_has_a_style_for_the_upper_language() -> None:
    text = subtitle_text([bilingual(0, 1000, "It rains.", "Llueve.")], "ass")
    assert text.rstrip().endswith(r"{\rUpper}It rains.{\r}\NLlueve.")
    assert "Style: Upper," in text


def test_vtt_escapes_what_would_be_a_tag() -> None:
    text = subtitle_text([cue(0, 1000, "a & <b> -->")], "vtt")
    assert text.startswith("WEBVTT\n\n")
    assert "a &amp; &lt;b&gt; --&gt;" in text


@pytest.mark.parametrize("subtitle_format", SUBTITLE_FORMATS)
def test_no_cues_make_a_valid_file(subtitle_format: SubtitleFormat, tmp_path: Path) -> None:
    path = tmp_path / f"silence.{subtitle_format}"
    write_subtitles([], path, subtitle_format)
    assert read(path.read_text(encoding="utf-8"), subtitle_format) == []


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "talk.es.srt"
    path.write_text("old")
    write_subtitles([cue(0, 1000, "¡Sí!")], path, "srt")
    assert path.read_bytes() == "1\r\n00:00:00,000 --> 00:00:01,000\r\n¡Sí!\r\n\r\n".encode()
    assert os.listdir(tmp_path) == ["talk.es.srt"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    write_subtitles([], tmp_path / "talk.srt", "srt")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def fail_with(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interrupt_leaves_the_old_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("old")
    monkeypatch.setattr(os, call, fail_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_subtitles([cue(0, 1000, "new")], path, "srt")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["talk.srt"]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "make room"),
        (PermissionError(errno.EACCES, "Permission denied"), "read-only"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; choose another"),
    ],
)
def test_a_disk_that_refuses_is_reported(
    error: OSError, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(error))
    with pytest.raises(OutputError, match=remedy) as caught:
        write_subtitles([cue(0, 1000, "new")], tmp_path / "talk.srt", "srt")
    assert str(tmp_path / "talk.srt") in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder .*; create it"):
        write_subtitles([], tmp_path / "missing" / "talk.srt", "srt")


def test_a_folder_of_that_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").mkdir()
    with pytest.raises(OutputError, match="a folder has this name"):
        write_subtitles([], tmp_path / "talk.srt", "srt")
    assert os.listdir(tmp_path) == ["talk.srt"]


def test_ass_says_where_its_clock_ends(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="10 hours"):
        write_subtitles([cue(MAX_ASS_MS - 1000, MAX_ASS_MS, "late")], tmp_path / "x.ass", "ass")


def test_the_longest_name_that_a_file_can_have_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 248 + ".en.srt")  # 255 bytes
    check_writable([path])
    write_subtitles([], path, "srt")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_could_not_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    too_long, folder = tmp_path / ("x" * 250 + ".en.srt"), tmp_path / "talk.en.srt"
    folder.mkdir()
    for path, reason in (
        (too_long, "name would be too long"),
        (folder, "a folder has this name"),
        (tmp_path / "none" / "talk.en.srt", "there is no folder"),
    ):
        with pytest.raises(OutputError, match=reason):
            check_writable([tmp_path / "other.srt", path])
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can fill")
def test_a_folder_that_nobody_can_write_to_is_found_before_the_work() -> None:
    with pytest.raises(OutputError, match=r"/proc/self/talk\.en\.srt cannot be written"):
        check_writable([Path("/proc/self/talk.en.srt")])


def test_a_folder_for_results_is_made_or_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    make_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is a file, not a folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be made"):
        make_folder(tmp_path / "file" / "b")
