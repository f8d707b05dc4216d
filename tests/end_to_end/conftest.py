"""`surtitle serve` as a user runs it, and something to say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio

from ..patience import PATIENCE_S

SAMPLE = Path(__file__).parents[2] / "samples/harbor.flac"
COMMAND = (sys.executable, "-m", "surtitle.pipeline.cli")

StartServer = Callable[..., str]
MakeVoice = Callable[[float], Path]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server over Moonshine, with further options; return its address."""
    with ExitStack() as stack:

        def start(*options: str) -> str:
            arguments = ["serve", "--port", "0", "--asr", "moonshine", *options]
            arguments += ["--store", str(tmp_path / "sessions.sqlite")]
            log = stack.enter_context((tmp_path / "server.log").open("w+"))
            process = stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, *arguments],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                )
            )
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("Speak:")), None)
            assert line is not None, (tmp_path / "server.log").read_text()
            found = re.search(r"(https?://\S+)/capture", line)
            assert found is not None, line
            return found[1]

        yield start


@pytest.fixture
def make_voice(tmp_path: Path) -> MakeVoice:
    """Write the beginning of the sample recording, so many seconds, as a WAV file."""

    def make(seconds: float) -> Path:
        path = tmp_path / "voice.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            for chunk in read_audio(SAMPLE):
                file.writeframes(to_s16(chunk.samples).tobytes())
                if chunk.start_sample > seconds * SAMPLE_RATE_HZ:
                    break
        return path

    return make
