"""The files of a recording, and their cues: literal segments in, names and cues out."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.config import BatchConfig
from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.subtitles.outputs import Input, clashes, named_language, track_cues, tracks


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


def recording(path: Path, config: BatchConfig, *videos: str) -> Input:
    return Input(path, config, path, videos=videos)


def test_recordings_of_one_name_need_different_folders() -> None:
    paths = Path("a/talk.mp4"), Path("b/talk.mp4")
    assert clashes(recording(path, BatchConfig("en")) for path in paths) == {}
    config = BatchConfig(None, output_dir=Path("out"))
    assert clashes(recording(path, config) for path in paths) == {paths[1]: paths[0]}


def test_a_recording_is_finished_when_all_its_files_are_there(tmp_path: Path) -> None:
    talk = recording(tmp_path / "talk.mp4", BatchConfig("en", ("es",)), ".subtitled.mp4")
    for name in "talk.en.srt", "talk.es.srt", "talk.subtitled.mp4":
        assert not talk.is_finished()
        (tmp_path / name).touch()
    assert talk.is_finished()


@pytest.mark.parametrize("stem", ["talk", "M*A*S*H [x265]", "a?b", "talk.es"])
def test_where_the_language_is_not_known_that_of_the_files_counts(
    tmp_path: Path, stem: str
) -> None:
    talk, config = tmp_path / f"{stem}.mp4", BatchConfig(None, ("es", "de"))
    for other in f"{stem}.de.srt", f"{stem}.es.srt", f"x{stem}.fr.srt", f"{stem}.fr.vtt":
        (tmp_path / other).touch()
    assert recording(talk, config).language() == "de"  # so far as one can see
    assert recording(talk, config).is_finished()
    (tmp_path / f"{stem}.es.srt").unlink()
    assert not recording(talk, config).is_finished()
    assert not recording(tmp_path / "M.mp4", config).is_finished()


def test_a_subtitle_file_is_no_result_of_itself() -> None:
    config = BatchConfig("en", ("es", "en"), bilingual=True)
    document = Input(Path("a/talk.en.srt"), config, Path("a/talk.srt"), is_document=True)
    names = [path.name for path in document.possible_files()]
    assert names == ["talk.es.srt", "talk.en-es.srt"]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("talk.en.srt", "en"),
        ("a.b.pt-BR.vtt", "pt"),
        ("talk.eng.ass", "en"),
        ("talk.srt", None),
        ("en.srt", None),
        ("talk.final.srt", None),
    ],
)
def test_the_name_of_a_subtitle_file_tells_its_language(name: str, language: str | None) -> None:
    assert named_language(Path(name)) == language


def test_the_cues_of_a_track_are_in_its_languages() -> None:
    words = tuple(
        Word(text, 500 * n, 500 * n + 400, 1.0) for n, text in enumerate(("One", "two", "three."))
    )
    segments = [SourceSegment(0, 0, words, is_final=True, language="en")]
    config = BatchConfig("en", ("es",), bilingual=True)
    texts = [
        ["/".join(cue.lines) for cue in cues]
        for cues in (
            track_cues(track, "en", segments, {"es": ["Uno dos tres."]}, SubtitleRules())
            for track in tracks(Path("talk.mp4"), config, "en")
        )
    ]
    assert texts == [["One two three."], ["Uno dos tres."], ["One two three./Uno dos tres."]]
