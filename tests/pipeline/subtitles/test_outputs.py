"""The files of a recording, and their cues: literal segments in, names and cues out."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.config import BatchConfig
from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.subtitles.outputs import clashes, is_finished, track_cues, tracks


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
    talks = Path("a/talk.mp4"), Path("b/talk.mp4")
    assert clashes(talks, None) == {}
    assert clashes(talks, Path("out")) == {talks[1]: talks[0]}


def test_a_recording_is_finished_when_all_its_files_are_there(tmp_path: Path) -> None:
    talk, config = tmp_path / "talk.mp4", BatchConfig("en", ("es",))
    (tmp_path / "talk.en.srt").touch()
    assert not is_finished(talk, config)
    (tmp_path / "talk.es.srt").touch()
    assert is_finished(talk, config)


@pytest.mark.parametrize("stem", ["talk", "M*A*S*H [x265]", "a?b", "talk.es"])
def test_where_the_language_is_not_known_that_of_the_files_counts(
    tmp_path: Path, stem: str
) -> None:
    talk, config = tmp_path / f"{stem}.mp4", BatchConfig(None, ("es", "de"))
    for other in f"{stem}.de.srt", f"{stem}.es.srt", f"x{stem}.fr.srt", f"{stem}.fr.vtt":
        (tmp_path / other).touch()
    assert is_finished(talk, BatchConfig(None, ("de",)))  # German, so far as one can see
    assert is_finished(talk, config)
    (tmp_path / f"{stem}.es.srt").unlink()
    assert not is_finished(talk, config)
    assert not is_finished(tmp_path / "M.mp4", config)


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
