"""`surtitle publish` as a process of its own, which can be killed in the middle of a sentence."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import wave
from pathlib import Path

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ

from .tones import spoken_pcm

END_S = 90.0


def write_recording(path: Path, length_s: float) -> Path:
    """All sentences, as often as it takes to fill so much time."""
    pcm = spoken_pcm()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for _ in range(1 + round(length_s * 2 * SAMPLE_RATE_HZ / len(pcm))):
            file.writeframes(pcm)
    return path


class PublisherProcess:
    def __init__(self, url: str, room: str, recording: Path, log: Path) -> None:
        self._arguments = ["publish", str(recording), "--url", url, "--room", room, "--to", "es"]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "surtitle.pipeline.cli", *self._arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """At once; nothing where it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def end(self) -> int:
        """Let it end after the last captions; return its exit status."""
        process, self._process = self._process, None
        assert process is not None and process.poll() is None, f"it still speaks, see {self._log}"
        process.send_signal(signal.SIGINT)
        return await asyncio.to_thread(process.wait, END_S)
