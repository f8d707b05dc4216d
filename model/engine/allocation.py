"""How the process keeps the memory that tensors come and go in."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_BLOCK = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD
KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let malloc use freed blocks again, up to KEPT_BYTES, before the kernel gets them back.

    By default glibc returns every large block at once, and each new tensor of some 100 kB then
    costs a page fault per 4 kB: a tenth of the time of a translation on a CPU, four tenths in
    training (mallopt(3)). Where there is no glibc, nothing happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
            mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
