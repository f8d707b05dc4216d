"""The command as a user runs it: a process of its own, against a server on loopback."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline.cli import main

from ...patience import PATIENCE_S

FINAL = {
    "segment_id": 0,
    "revision": 1,
    "language": "es",
    "text": "El puerto abre.",
    "start_ms": 0,
    "end_ms": 900,
    "is_final": True,
}
SNAPSHOT = {"type": "snapshot", "session": "s-1", "sequence": 1, "captions": [FINAL]}


async def _speak(socket: ServerConnection) -> None:
    await socket.send(json.dumps(SNAPSHOT))
    for n in range(1, 1000):
        caption = FINAL | {"segment_id": n, "text": f"line {n}"}
        await socket.send(json.dumps({"type": "caption", "sequence": n + 1, **caption}))
        await asyncio.sleep(0.02)


def _heed_ctrl_c() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def _listen(*, interrupts: bool) -> tuple[int | None, bytes, bytes]:
    """Exit status, the first line and what is complained about; we read no second line."""
    async with serve(_speak, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        command = "from surtitle.pipeline.cli import main; raise SystemExit(main())"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", command, "listen", f"http://127.0.0.1:{port}", "--lang", "es",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            preexec_fn=_heed_ctrl_c,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        line = await process.stdout.readline()
        if interrupts:
            process.send_signal(signal.SIGINT)
        else:
            process.stdout._transport.close()  # type: ignore[attr-defined]
        complaints = await process.stderr.read()
        return await asyncio.wait_for(process.wait(), PATIENCE_S), line, complaints


@pytest.mark.parametrize("interrupts", [True, False], ids=["ctrl-c", "broken pipe"])
def test_it_ends_without_a_word(interrupts: bool) -> None:
    assert asyncio.run(_listen(interrupts=interrupts)) == (0, b"El puerto abre.\n", b"")


def test_a_wrong_address_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "nowhere"]) == 2
    assert "'nowhere'" in capsys.readouterr().err


def test_no_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:9 cannot be reached" in error and "Traceback" not in error
