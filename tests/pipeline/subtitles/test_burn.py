"""Burning subtitles in, by an FFmpeg that is there or by a program that takes its place."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import av
import pytest

from surtitle.pipeline.errors import OutputError
from surtitle.pipeline.subtitles.burn import burn, find_ffmpeg
from surtitle.pipeline.subtitles.cues import Cue, TextBlock

from .films import film, packets

CUES = [Cue(500, 3500, (TextBlock("es", ("Hola, {Él}.",)),))]
STAND_IN = """#!{python}
import json, pathlib, sys
if "-filters" in sys.argv:
    print("{filters}")
    sys.exit(0)
output = pathlib.Path(sys.argv[-1].removeprefix("file:"))
if {status}:
    print("Conversion failed!", file=sys.stderr)
    sys.exit({status})
output.write_text(json.dumps([sys.argv[1:], pathlib.Path("burn.ass").read_text()]))
"""
FILTERS = " ... ass               V->V       Render ASS subtitles"


def stand_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, filters: str = FILTERS, status: int = 0
) -> str:
    """The only program called ffmpeg."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, filters=filters, status=status))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return str(program)


def test_ffmpeg_is_found_where_it_has_libass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in(tmp_path, monkeypatch)
    assert asyncio.run(find_ffmpeg()) == program


def test_a_missing_ffmpeg_or_libass_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputError, match="needs the program ffmpeg, and there is none"):
        asyncio.run(find_ffmpeg())
    stand_in(tmp_path, monkeypatch, filters=" ... bass    A->A   Boost")
    with pytest.raises(OutputError, match="needs an FFmpeg with libass"):
        asyncio.run(find_ffmpeg())


def test_ffmpeg_is_told_what_to_do_with_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg = stand_in(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    recording, target = Path("a'b, [x]:%.mkv"), Path("new.es.burned.mkv")
    recording.touch()
    asyncio.run(burn(recording, CUES, target, ffmpeg))
    arguments, subtitles = json.loads(target.read_text())
    assert f"file:{tmp_path / recording}" in arguments
    assert arguments[arguments.index("-vf") + 1] == "ass=burn.ass"
    assert "Hola, (Él)." in subtitles
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a'b, [x]:%.mkv", "bin", "new.es.burned.mkv"]


def test_what_ffmpeg_says_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg = stand_in(tmp_path, monkeypatch, status=1)
    with pytest.raises(OutputError, match=r"new\.mkv cannot be made: FFmpeg says: Conversion f"):
        asyncio.run(burn(tmp_path / "film.mkv", CUES, tmp_path / "new.mkv", ffmpeg))
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs FFmpeg: apt-get install ffmpeg")
def test_subtitles_are_in_the_pictures_and_the_sound_is_copied(tmp_path: Path) -> None:
    async def scenario() -> None:
        await burn(source, CUES, target, await find_ffmpeg())

    source, target = film(tmp_path / "film.mp4"), tmp_path / "new.mp4"
    asyncio.run(scenario())
    assert packets(target, "audio") == packets(source, "audio")
    with av.open(str(target)) as container:
        contrast = [
            picture.to_ndarray(format="gray").std() for picture in container.decode(video=0)
        ]
    assert contrast[20] > 2 * contrast[38]  # at 2 s there is text in a gray picture, at 3.8 s none
