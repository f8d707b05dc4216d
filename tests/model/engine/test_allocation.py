"""Blocks that are freed are used again: allocating the next one touches no new page."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, torch
from surtitle.model.engine.allocation import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory
for threshold in M_MMAP_THRESHOLD, M_TRIM_THRESHOLD:  # as at the start, whatever torch has freed
    assert ctypes.CDLL(None).mallopt(threshold, 128 << 10) == 1
if {keeps}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(3):
        several = [torch.ones(1 << 18) for _ in range(64)]  # 1 MB each, freed together
        del several
work()
before = faults()
work()
print(faults() - before)
"""


def page_faults(*, keeps: bool) -> int:
    script = SCRIPT.format(keeps=keeps)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_are_used_again() -> None:
    assert 5 * page_faults(keeps=True) < page_faults(keeps=False)  # each of 4 kB, or of 2 MB
