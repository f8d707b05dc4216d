"""Soft tracks in small videos."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.stream import Disposition

from surtitle.pipeline.errors import MediaError, OutputError
from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.mux import SoftTrack, container_suffix, mux
from surtitle.pipeline.subtitles.text_tracks import read_text_track

from .films import Track, film, packets

CUES = [
    Cue(500, 1500, (TextBlock("es", ("Hola,", "<Él>")),)),
    Cue(3000, 3900, (TextBlock("es", ("Adiós.",)),)),
]
SPANISH = SoftTrack(CUES, "es", "", is_default=True)
BOTH = SoftTrack(CUES[:1], "de", "en-de", is_default=False)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_tracks_are_added_and_nothing_is_encoded_anew(tmp_path: Path, suffix: str) -> None:
    source, target = film(tmp_path / f"film{suffix}"), tmp_path / f"new{suffix}"
    mux(source, [SPANISH, BOTH], target)
    for kind in "video", "audio":
        assert packets(target, kind) == packets(source, kind)
    with av.open(str(target)) as container:
        spanish, both = container.streams.subtitles
        assert (spanish.language, both.language) == ("spa", "deu")
        assert Disposition.default in spanish.disposition
        assert Disposition.default not in both.disposition
        if suffix == ".mkv":
            assert both.metadata["title"] == "en-de"
    cues = read_text_track(target, "es").document.cues
    assert [cue.text for cue in cues] == ["Hola,\n<Él>", "Adiós."]
    with av.open(str(target)) as container:  # in step with the sound, which may begin early
        begin_s = min(stream.start_time * stream.time_base for stream in container.streams.audio)
    assert [cue.start_ms - 1000 * begin_s for cue in cues] == pytest.approx([500, 3000], abs=70)


def test_what_the_video_has_stays_but_for_its_default(tmp_path: Path) -> None:
    english = Track("subrip", [(500, 1000, b"<i>Hello</i>")], "eng", Disposition.default)
    source, target = film(tmp_path / "film.mkv", english), tmp_path / "new.mkv"
    mux(source, [SPANISH], target)
    with av.open(str(target)) as container:
        first, second = container.streams.subtitles
        assert first.language == "eng" and Disposition.default not in first.disposition
        assert second.language == "spa" and Disposition.default in second.disposition
    assert read_text_track(target, "en").document.cues[0].text == "<i>Hello</i>"


def test_texts_stand_in_the_file_where_they_are_shown(tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"
    mux(film(tmp_path / "film.mkv", seconds=20), [SPANISH], target)
    with av.open(str(target)) as container:
        places = {packet.stream.type: packet.pos for packet in container.demux() if packet.size}
    assert places["subtitle"] < places["video"] / 2


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        mux(tmp_path / "none.mkv", [SPANISH], tmp_path / "new.mkv")
    source = film(tmp_path / "film.mkv")
    (tmp_path / "new.mkv").mkdir()
    with pytest.raises(OutputError, match=r"new\.mkv cannot be written"):
        mux(source, [SPANISH], tmp_path / "new.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "new.mkv"]


def test_mp4_stays_mp4_and_all_else_becomes_matroska() -> None:
    names = "a.mp4", "a.MOV", "a.mkv", "a.avi", "a.ts"
    assert [container_suffix(Path(name)) for name in names] == [
        ".mp4",
        ".mp4",
        ".mkv",
        ".mkv",
        ".mkv",
    ]
