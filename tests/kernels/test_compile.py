"""Every kernel compiled for Hopper at the real model's shapes, without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from surtitle.kernels.compile_report import SHARED_MEMORY, Compiled
from surtitle.kernels.dispatch import triton_installed

PRODUCTS = {"up", "down", "read", "accumulate"}  # matrix products, and "attend" in attention
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiled() -> list[Compiled]:
    """In another process: here Triton may be the interpreter."""
    if not triton_installed():
        pytest.skip("triton is not installed: pip install -e '.[gpu]'")
    command = [sys.executable, "-m", "surtitle.kernels.compile_report", "--json"]
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    kernels = [Compiled(**json.loads(line)) for line in run.stdout.splitlines()]
    for kernel in kernels:
        print(kernel)
    return kernels


def test_nothing_spills(compiled: list[Compiled]) -> None:
    assert [k for k in compiled if k.stack] == []


def test_shared_memory_suffices(compiled: list[Compiled]) -> None:
    assert [k for k in compiled if k.shared > SHARED_MEMORY] == []


def test_products_use_the_wide_instructions(compiled: list[Compiled]) -> None:
    products = [k for k in compiled if k.kernel in PRODUCTS | {"attend"}]
    assert {k.kernel for k in products} == PRODUCTS | {"attend"}
    assert [k for k in products if not k.warpgroup_products or k.warp_products] == []


def test_no_operation_is_left_out(compiled: list[Compiled]) -> None:
    from pathlib import Path

    import surtitle.kernels.compile_report as report

    folder = Path(report.__file__).parent
    defined = {
        line.split("(")[0].removeprefix("def _")
        for path in folder.glob("*_triton.py")
        for before, line in pairs(path.read_text(encoding="utf-8").splitlines())
        if before.startswith("@triton.jit") and line.startswith("def _")
    }
    assert {k.kernel for k in compiled} >= defined - {"invert", "store_tile", "normed"}


def pairs(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines, lines[1:], strict=False))
