"""The text tracks of small videos."""

from __future__ import annotations

from pathlib import Path

import pytest
from av.stream import Disposition

from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.subtitles.documents import FileCue
from surtitle.pipeline.subtitles.text_tracks import read_text_track

from .films import Track, film

ENGLISH = Track(
    "subrip",
    [(500, 1000, b"<i>Hello</i>\nyou"), (2000, 1000, b"{\\an8}Bye & <b>all</b>")],
    "eng",
)
GERMAN = Track("subrip", [(500, 1000, b"Hallo")], "ger", Disposition.default)
SIGNS = Track("subrip", [(500, 1000, b"EXIT")], "eng", Disposition.forced)


def test_a_track_of_subrip_is_taken_as_it_stands(tmp_path: Path) -> None:
    track = read_text_track(film(tmp_path / "film.mkv", ENGLISH), None)
    assert track.language == "en"
    hello, bye = track.document.cues
    assert hello.text == "<i>Hello</i>\nyou" and bye.text == "{\\an8}Bye & <b>all</b>"
    # Matroska moves all tracks by what the sound begins early.
    assert 500 <= hello.start_ms < 600 and hello.end_ms - hello.start_ms == 1000


def test_other_formats_keep_what_subrip_knows(tmp_path: Path) -> None:
    ass = b"0,0,Default,Bob,0,0,0,,{\\an8\\i1}Hi, {\\c&HFF&}you{\\i0}\\Nthere"
    (cue,) = read_text_track(
        film(tmp_path / "film.mkv", Track("ass", [(500, 1000, ass)])), None
    ).document.cues
    assert cue.text == "{\\an8}<i>Hi, you</i>\nthere"
    text = b"\0\x05Hi\nyo"
    path = film(tmp_path / "film.mp4", Track("mov_text", [(1000, 500, text)], "spa"))
    track = read_text_track(path, "es")
    assert track.document.cues == (FileCue(1000, 1500, "Hi\nyo"),)


@pytest.mark.parametrize(
    ("tracks", "language", "text"),
    [
        ((ENGLISH, GERMAN), "en", "<i>Hello</i>\nyou"),
        ((ENGLISH, GERMAN), "de", "Hallo"),
        ((ENGLISH, GERMAN), None, "Hallo"),  # players show it
        ((SIGNS, ENGLISH), "en", "<i>Hello</i>\nyou"),
        ((Track("subrip", [(1, 9, b"untagged")]), GERMAN), "en", "untagged"),
    ],
)
def test_which_track_is_taken(
    tmp_path: Path, tracks: tuple[Track, ...], language: str | None, text: str
) -> None:
    path = film(tmp_path / "film.mkv", *tracks)
    assert read_text_track(path, language).document.cues[0].text == text


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="has no subtitles, so there is no text"):
        read_text_track(film(tmp_path / "none.mkv"), None)
    with pytest.raises(MediaError, match="no text track in fr, only in de"):
        read_text_track(film(tmp_path / "film.mkv", GERMAN), "fr")
    pictures = Track("dvd_subtitle", [(500, 1000, b"\0\x04\0\x04")])
    with pytest.raises(MediaError, match="only subtitles that are pictures"):
        read_text_track(film(tmp_path / "dvd.mkv", pictures), None)
    with pytest.raises(MediaError, match="text, not audio or video"):
        path = tmp_path / "text.mkv"
        path.write_text("x" * 99)
        read_text_track(path, None)
