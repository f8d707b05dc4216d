"""Every kernel compiled for Hopper at the real model's shapes, without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from surtitle.kernels import compile_report
from surtitle.kernels.compile_report import SHARED_MEMORY, Compiled
from surtitle.kernels.dispatch import triton_installed

PRODUCTS = {"up", "down", "read", "accumulate", "attend"}
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
    products = [k for k in compiled if k.kernel in PRODUCTS]
    assert {k.kernel for k in products} == PRODUCTS
    assert [k for k in products if not k.warpgroup_products or k.warp_products] == []


def test_no_kernel_is_left_out(compiled: list[Compiled]) -> None:
    launched = {
        name
        for path in Path(compile_report.__file__).parent.glob("*_triton.py")
        for name in re.findall(r"\b_(\w+)\[", path.read_text(encoding="utf-8"))
    }
    assert {k.kernel for k in compiled} == launched
