"""The files of a recording, and their cues: literal segments in, names and cues out."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.config import BatchConfig
from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.subtitles.outputs import check_names, track_cues, tracks


def test_tracks_without_output_dir_stand_beside_the_recording() -> None:
    (track,) = tracks(Path("a/talk.mp4"), BatchConfig("en"), "en")
    assert track.path == Path("a/talk.en.srt")


def test_each_language_and_format_has_a_file_and_each_pair_if_wanted() -> None:
    config = BatchConfig("en", ("es", "de"), ("srt", "vtt"), True, Path("out"))
    assert [str(track.path) for track in tracks(Path("a/talk.mp4"), config, "en")] == [
        f"out/talk.{languages}.{extension}"
        for languages in ("en", "es", "de", "en-es", "en-de")
        for extension in ("srt", "vtt")
    ]


def test_a_target_that_is_spoken_has_no_file_of_its_own() -> None:
    found = tracks(Path("talk.mp4"), BatchConfig(None, ("es",), bilingual=True), "es")
    assert [track.languages for track in found] == [("es",)]


def test_recordings_of_one_name_need_different_folders() -> None:
    check_names([Path("a/talk.mp4"), Path("b/talk.mp4")], None)
    with pytest.raises(ValueError, match="a/talk.mp4 and b/talk.mp4 would write the same files"):
        check_names([Path("a/talk.mp4"), Path("b/talk.mp4")], Path("out"))


def test_the_cues_of_a_track_are_in_its_languages() -> None:
    words = tuple(
        Word(text, 500 * n, 500 * n + 400, 1.0) for n, text in enumerate(("One", "two", "three."))
    )
    segments = [SourceSegment(0, 0, words, is_final=True)]
    config = BatchConfig("en", ("es",), bilingual=True)
    texts = [
        ["/".join(cue.lines) for cue in cues]
        for cues in (
            track_cues(track, "en", segments, {"es": ["Uno dos tres."]}, SubtitleRules())
            for track in tracks(Path("talk.mp4"), config, "en")
        )
    ]
    assert texts == [["One two three."], ["Uno dos tres."], ["One two three./Uno dos tres."]]
