"""Recordings that are subtitled in a cluster are those that are subtitled here."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.cli import main
from surtitle.pipeline.events import Samples

from ..patience import PATIENCE_S
from .cluster import Nodes, cpu_s, titled, two_nodes, until

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("default")]

HARBOR = Path(__file__).parents[2] / "samples/harbor.flac"


OPTIONS = ["--to", "es", "--asr", "moonshine", "--translator", "echo"]
TIMES = 10  # 69 s
AT_WORK_S = 5.0  # of a core, in which a process loads what it needs, and begins to hear


@pytest.fixture(scope="module")
def nodes(environment: None) -> Iterator[Nodes]:
    """Of one core each: a recording is heard on both."""
    with two_nodes(num_cpus=1) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def harbor() -> Samples:
    return np.concatenate([chunk.samples for chunk in read_audio(HARBOR)])


def written(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(to_s16(samples).tobytes())


@pytest.fixture
def archive(tmp_path: Path, harbor: Samples) -> Path:
    """Two recordings of some seconds, one that is none, and subtitles."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for name, begin_s, end_s in (("one", 0, 8), ("two", 8, 20)):
        written(folder / f"{name}.wav", harbor[begin_s * SAMPLE_RATE_HZ : end_s * SAMPLE_RATE_HZ])
    (folder / "bad.wav").write_bytes(b"no sound")
    (folder / "text.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nGood morning\n")
    return folder


def test_an_archive_is_subtitled_as_it_is_here(
    archive: Path, nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = archive.parent / "here", archive.parent / "there"
    told: list[str] = []
    for arguments in (
        ["--output-dir", str(here)],
        ["--output-dir", str(there), "--ray", nodes.address],
        ["--output-dir", str(there), "--ray", nodes.address],
    ):
        assert main(["subtitle", str(archive), *OPTIONS, *arguments]) == 1, "one is no recording"
        told.append(capsys.readouterr().err)

    files = {path.name: path.read_text() for path in here.iterdir()}
    assert len(files) == 5
    assert {path.name: path.read_text() for path in there.iterdir()} == files
    assert "3 done, 0 finished before, 1 failed" in told[1]
    assert "bad.wav holds text, not audio or video" in told[1]
    assert "0 done, 3 finished before, 1 failed" in told[2]


def test_a_long_recording_is_heard_on_all_machines_of_which_one_goes(
    tmp_path: Path, harbor: Samples, nodes: Nodes
) -> None:
    """The last test: a machine is missing then."""
    recording = tmp_path / "long.wav"
    written(recording, np.tile(harbor, TIMES))
    here, there = tmp_path / "here", tmp_path / "there"
    subtitle = ["subtitle", str(recording), *OPTIONS]
    assert main([*subtitle, "--output-dir", str(here)]) == 0

    def lose_a_machine() -> None:
        def is_at_work() -> bool:
            subtitlers = titled("ray::Subtitler")
            on_other = nodes.of_other(subtitlers)
            return len(subtitlers) == 2 and any(cpu_s(each) > AT_WORK_S for each in on_other)

        until(is_at_work, PATIENCE_S)
        nodes.remove_other()

    async def both() -> int:
        cluster = [*subtitle, "--output-dir", str(there), "--ray", nodes.address]
        doing = asyncio.create_task(asyncio.to_thread(main, cluster))
        await asyncio.to_thread(lose_a_machine)
        assert not doing.done(), "it goes while it is at work"
        return await doing

    assert asyncio.run(both()) == 0
    files = {path.name: path.read_text() for path in here.iterdir()}
    assert len(files) == 2
    assert {path.name: path.read_text() for path in there.iterdir()} == files
