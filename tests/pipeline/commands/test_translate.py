"""`surtitle translate` at a terminal; its lines and errors are tested in test_cli.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from ...patience import PATIENCE_S

COMMAND = "from surtitle.pipeline.cli import main; raise SystemExit(main())"


def test_ctrl_c_ends_it_while_it_waits_for_a_line() -> None:
    ours, theirs = os.openpty()
    arguments = ["translate", "--to", "es", "--translator", "echo"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where tests run in the background of a shell, they and their children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        os.write(ours, b"hello\n")
        assert process.stdout is not None
        assert process.stdout.readline() == b"[es] hello\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 130
    assert errors.decode().splitlines() == ["surtitle: interrupted; finished files are kept"]
