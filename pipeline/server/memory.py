"""Memory that the process does not need any more, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Let glibc return what was freed; elsewhere the allocator does so by itself, or not.

    It keeps it for each thread that has ever worked. A peer with a tile takes 40 MB for its
    encoder, in whichever thread that comes to run: without this a server would grow by some peers
    more than it ever had at once. Takes some ms: to be called in a thread.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
