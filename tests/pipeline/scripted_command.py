"""The command `surtitle` as a process of its own, over a recognizer in another one that follows a
script.

Every 300 ms of audio is a word; the microphone hears all the words at once, and then nothing more.
`files` before the command: so many files it may have open.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

ROOT = Path(__file__).parents[2]
END_S = 240.0  # a busy machine is slow; as this file is a program, it imports nothing beside it


class ScriptedMicrophone:
    lost_ms = waiting_ms = 0

    def __init__(self, device: str | None) -> None: ...

    async def listen(self) -> AsyncIterator[Any]:
        from surtitle.pipeline.events import AudioChunk

        for n in range(30):
            yield AudioChunk(n * 1600, np.zeros(1600, np.float32))
        await asyncio.Event().wait()


def main(arguments: list[str]) -> int:
    sys.path.append(str(ROOT))
    from surtitle.pipeline import cli
    from surtitle.pipeline.commands import live, serve
    from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer
    from surtitle.pipeline.recognizers.pool import RecognizerPool
    from tests.pipeline.scripted_recognizer import Ears, scripted
    from tests.pipeline.server.scripted import WORD_MS, WORDS

    def open_scripted(*whatever: object) -> RecognizerPool:
        worker = ChildProcessRecognizer(partial(scripted, WORDS), lambda line: None)
        return RecognizerPool([worker], make_vad=Ears(WORD_MS).make_vad)

    live.open_live = serve.open_live = open_scripted
    live.Microphone = ScriptedMicrophone  # type: ignore[misc]
    if arguments[0].isdigit():
        import resource

        files = int(arguments.pop(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return cli.main(arguments)


class Command:
    """A `surtitle` that runs, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._folder = folder

    def line_with(self, text: str) -> str:
        """Wait for a line on standard error that holds the text."""
        assert self.process.stderr is not None
        lines: list[str] = []
        for line in self.process.stderr:
            lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without {text!r}: {''.join(lines)}")

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: its status, what it has printed since, and on standard error."""
        out, err = self.process.communicate(timeout=END_S)
        return self.process.returncode, out, err


@contextmanager
def command(folder: Path, *arguments: str) -> Iterator[Command]:
    """Run `surtitle` with arguments; its data are in `folder`."""
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"XDG_DATA_HOME": str(folder), "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield Command(process, folder)
        finally:
            process.kill()


@contextmanager
def served(folder: Path, *before: str) -> Iterator[tuple[Command, str]]:
    """A server in a process of its own, and its address."""
    arguments = *before, "serve", "--port", "0", "--translator", "echo"
    with command(folder, *arguments) as server:
        assert server.process.stdout is not None
        found = re.search(r"http://\S+(?=/capture)", server.process.stdout.readline())
        assert found is not None, server.end()
        yield server, found[0]


def open_socket(url: str, path: str) -> ClientConnection:
    protocols = [Subprotocol("surtitle.v1")]
    return connect(
        url.replace("http", "ws") + path, subprotocols=protocols, proxy=None, open_timeout=END_S
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
