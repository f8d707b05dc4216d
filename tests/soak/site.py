"""What the soak runs against: a server that can be killed, and a way to it that can be cut."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

COMMAND = Path(__file__).with_name("command.py")
START_S = 120.0
STOP_S = 60.0


class Site:
    """`surtitle serve` as a process of its own, always on the same port, over one store."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._store = folder / "sessions.sqlite"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it runs"
        return self._process.pid

    async def start(self) -> None:
        """Wait until it listens."""
        self._process = self._begin()
        output = self._process.stdout
        assert output is not None
        line = await asyncio.wait_for(asyncio.to_thread(output.readline), START_S)
        assert line.startswith(b"Speak:"), f"the server did not start, see {self.log}"

    def _begin(self) -> subprocess.Popen[bytes]:
        arguments = ["serve", "--port", str(self.port), "--translator", "echo"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, COMMAND, *arguments, "--store", self._store],
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    async def end(self, number: signal.Signals) -> int:
        """End it with a signal; return its exit status."""
        process = self._process
        assert process is not None and process.poll() is None, "it runs until it is ended"
        self._process = None
        process.send_signal(number)
        status = await asyncio.to_thread(process.wait, STOP_S)
        if process.stdout is not None:
            process.stdout.close()
        return status

    def kill(self) -> None:
        """Leave nothing behind, whatever has happened."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def kill_recognizer(self) -> None:
        """End the process that recognizes, as a crash of its library would."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

    @property
    def memory_mb(self) -> float:
        """What is resident of the server, without the process that recognizes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s*(\d+) kB", status, re.M)
        assert found is not None, "Linux tells it"
        return int(found[1]) / 1024


class Relay:
    """A port that passes everything on to another, until its connections are cut."""

    def __init__(self, port: int) -> None:
        self._to_port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """End all connections without a goodbye, and lose what is on the way."""
        for writer in self._writers:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, to_there = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:  # it is down
            writer.transport.abort()
            self._writers.remove(writer)
            return
        self._writers.add(to_there)
        try:
            await asyncio.gather(_copy(reader, to_there), _copy(there, writer))
        finally:
            self._writers -= {writer, to_there}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until either side ends."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
