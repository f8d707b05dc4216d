"""Recordings that are subtitled in a cluster are those that are subtitled here."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.container import AudioChoice
from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.cli import main

from .cluster import Nodes

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("default")]

HARBOR = Path(__file__).parents[2] / "samples/harbor.flac"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two recordings of some seconds, one that is none, and subtitles."""
    folder = tmp_path / "archive"
    folder.mkdir()
    chunks = read_audio(HARBOR, AudioChoice(), lambda line: None)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    for name, begin_s, end_s in (("one", 0, 8), ("two", 8, 20)):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            piece = samples[begin_s * SAMPLE_RATE_HZ : end_s * SAMPLE_RATE_HZ]
            file.writeframes(to_s16(piece).tobytes())
    (folder / "bad.wav").write_bytes(b"no sound")
    (folder / "text.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nGood morning\n")
    return folder


def test_an_archive_is_subtitled_as_it_is_here(
    archive: Path, nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--to", "es", "--asr", "moonshine", "--translator", "echo"]
    here, there = archive.parent / "here", archive.parent / "there"
    told: list[str] = []
    for arguments in (
        ["--output-dir", str(here)],
        ["--output-dir", str(there), "--ray", nodes.address],
        ["--output-dir", str(there), "--ray", nodes.address],
    ):
        assert main(["subtitle", str(archive), *options, *arguments]) == 1, "one is no recording"
        told.append(capsys.readouterr().err)

    files = {path.name: path.read_text() for path in here.iterdir()}
    assert len(files) == 5
    assert {path.name: path.read_text() for path in there.iterdir()} == files
    assert "3 done, 0 finished before, 1 failed" in told[1]
    assert "bad.wav holds text, not audio or video" in told[1]
    assert "0 done, 3 finished before, 1 failed" in told[2]
