"""Soft tracks in small videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
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
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000200000002080000000057dd52f8000000"
    "0b49444154789c636000010000060001fe8c67c80000000049454e44ae426082"
)  # 2 by 2, black
BOTH = SoftTrack(CUES[:1], "de", "en-de", is_default=False)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_tracks_are_added_and_nothing_is_encoded_anew(tmp_path: Path, suffix: str) -> None:
    source, target = film(tmp_path / f"film{suffix}"), tmp_path / f"new{suffix}"
    mux(source, [SPANISH, BOTH], target, print)
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
    mux(source, [SPANISH], target, print)
    with av.open(str(target)) as container:
        first, second = container.streams.subtitles
        assert first.language == "eng" and Disposition.default not in first.disposition
        assert second.language == "spa" and Disposition.default in second.disposition
    assert read_text_track(target, "en").document.cues[0].text == "<i>Hello</i>"


def test_texts_stand_in_the_file_where_they_are_shown(tmp_path: Path) -> None:
    target = tmp_path / "new.mkv"
    mux(film(tmp_path / "film.mkv", seconds=20), [SPANISH], target, print)
    with av.open(str(target)) as container:
        places = {packet.stream.type: packet.pos for packet in container.demux() if packet.size}
    assert places["subtitle"] < places["video"] / 2


def test_chapters_names_fonts_and_covers_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "film.mkv", tmp_path / "new.mkv"
    with av.open(str(film(tmp_path / "plain.mkv"))) as plain, av.open(str(source), "w") as made:
        streams = {each.index: made.add_stream_from_template(each) for each in plain.streams}
        made.add_attachment("font.ttf", "font/ttf", b"a font")
        made.add_attachment("cover.png", "image/png", PNG)
        made.metadata["title"] = "A film"
        chapter = {"id": 1, "start": 0, "end": 2000, "time_base": Fraction(1, 1000)}
        made.set_chapters([{**chapter, "metadata": {"title": "One"}}])
        for packet in plain.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
    mux(source, [SPANISH], target, print)
    assert capsys.readouterr().out == ""  # nothing is left out
    with av.open(str(source)) as before, av.open(str(target)) as after:
        kinds = [each.type for each in before.streams]
        assert kinds == ["video", "audio", "attachment", "video"]  # the cover
        assert sorted(each.type for each in after.streams) == sorted([*kinds, "subtitle"])
        assert after.metadata["title"] == "A film"
        assert after.chapters()[0]["metadata"] == {"title": "One"}
    with av.open(str(target)) as container:
        cover = [p for p in container.demux() if p.size and bytes(p).startswith(b"\x89PNG")]
    assert [bytes(packet) for packet in cover] == [PNG]


def test_what_the_container_cannot_hold_is_left_out_and_said_unless_it_is_the_film(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    source = film(tmp_path / "film.mkv", Track("ass", [(500, 1000, b"0,0,,,0,0,0,,Hi")]))
    mux(source, [SPANISH], tmp_path / "new.mp4", said.append)
    (line,) = said
    assert line.startswith(f"{tmp_path / 'new.mp4'} cannot hold track 3 (subtitle)")
    assert packets(tmp_path / "new.mp4", "audio") == packets(source, "audio")
    sound = tmp_path / "film.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("adpcm_ms", rate=16_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
        silence.sample_rate = 16_000
        container.mux([*stream.encode(silence), *stream.encode(None)])
    with pytest.raises(OutputError, match=r"new\.mp4 cannot hold track 1 \(audio\)"):
        mux(sound, [SPANISH], tmp_path / "new.mp4", said.append)


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        mux(tmp_path / "none.mkv", [SPANISH], tmp_path / "new.mkv", print)
    source = film(tmp_path / "film.mkv")
    (tmp_path / "new.mkv").mkdir()
    with pytest.raises(OutputError, match=r"new\.mkv cannot be written"):
        mux(source, [SPANISH], tmp_path / "new.mkv", print)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "new.mkv"]


def test_mp4_stays_mp4_and_all_else_becomes_matroska() -> None:
    names = "a.mp4", "a.MOV", "a.mkv", "a.avi", "a.ts"
    assert [container_suffix(Path(name)) for name in names] == [
        ".mp4",
        ".mov",
        ".mkv",
        ".mkv",
        ".mkv",
    ]
