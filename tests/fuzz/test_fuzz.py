"""All that reads what others have written meets what nobody should write: it raises only what it
documents, takes no long time, and what must hold holds.

`make fuzz` gives it a million inputs. Those that have shown a fault stay in `examples/`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("fuzz.py")
INPUTS, PATIENCE_S = 20_000, 1200

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it forks, and looks into /dev/shm"),
]


def test_whatever_comes_is_read_or_refused() -> None:
    done = subprocess.run(
        [sys.executable, DRIVER, "--inputs", str(INPUTS)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
