"""Files and folders on the command line, and what is to become of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surtitle.pipeline.config import BatchConfig
from surtitle.pipeline.jobs.inputs import Wanted, all_files

WANTED = Wanted(None, ("es",), None, from_track=False, mux=False, burn=False)
CONFIG = BatchConfig(None, ("es",))


def files(wanted: Wanted, name: str) -> list[str]:
    given = wanted.input(Path(name), CONFIG)
    return [path.name for path in given.possible_files()]


def test_a_recording_is_english_unless_said() -> None:
    assert files(WANTED, "a.mp4") == ["a.en.srt", "a.es.srt"]
    assert files(replace(WANTED, source="fr"), "a.mp4") == ["a.fr.srt", "a.es.srt"]
    assert WANTED.input(Path("a.mp4"), CONFIG).config.source == "en"
    for wanted in replace(WANTED, source="auto"), replace(WANTED, from_track=True):
        assert wanted.input(Path("a.mp4"), CONFIG).config.source is None


@pytest.mark.parametrize(
    ("name", "source", "language", "result"),
    [
        ("a.de.vtt", None, "de", "a.es.vtt"),
        ("a.de.vtt", "auto", "de", "a.es.vtt"),
        ("a.de.vtt", "de", "de", "a.es.vtt"),
        ("a.de.vtt", "en", "en", "a.de.es.vtt"),
        ("a.srt", None, "en", "a.es.srt"),
        ("a.b.fr.dfxp", None, "fr", "a.b.es.ttml"),
    ],
)
def test_a_subtitle_file_has_the_language_of_its_name_and_keeps_its_format(
    name: str, source: str | None, language: str, result: str
) -> None:
    given = replace(WANTED, source=source).input(Path(name), CONFIG)
    assert given.is_document and given.config.source == language
    assert [path.name for path in given.possible_files()] == [result]


def test_formats_that_are_asked_for_are_those_of_all() -> None:
    wanted = replace(WANTED, formats=("vtt", "ass"))
    assert files(wanted, "a.mp4") == ["a.en.vtt", "a.en.ass", "a.es.vtt", "a.es.ass"]
    assert files(wanted, "a.en.srt") == ["a.es.vtt", "a.es.ass"]


def test_videos_are_wanted_of_recordings() -> None:
    wanted = replace(WANTED, mux=True, burn=True)
    assert files(wanted, "a.mov")[2:] == ["a.subtitled.mov", "a.es.burned.mov"]
    assert files(wanted, "a.avi")[2:] == ["a.subtitled.mkv", "a.es.burned.mkv"]


def test_in_a_folder_recordings_and_subtitles_that_stand_alone(tmp_path: Path) -> None:
    names = (
        "talk.mp4",
        "talk.en.srt",  # of the talk
        "sub/old.MKV",
        "sub/old.subtitled.mkv",  # ours
        "sub/old.es.burned.mkv",
        "alone.en.vtt",
        "alone.es.vtt",  # not in the source language
        "notes.txt",
        ".hidden.mp4",
        ".cache/x.mp4",
        ".surtitle-1-2.part",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in all_files([tmp_path], WANTED)]
    assert found == ["sub/old.MKV", "talk.mp4", "alone.en.vtt"]
    named = all_files([tmp_path / "talk.mp4", tmp_path, tmp_path / "none.wav"], WANTED)
    assert [path.name for path in named] == ["talk.mp4", "old.MKV", "alone.en.vtt", "none.wav"]
    without_targets = replace(WANTED, targets=())
    assert len(all_files([tmp_path], without_targets)) == 2
