"""The one rule that chooses between an operation's Triton kernel and its reference."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_forced: ContextVar[bool | None] = ContextVar("forced", default=None)


def use_triton(*operands: Tensor) -> bool:
    """Whether the kernel runs: the operands are on a CUDA device, Triton is installed, and no
    gradient is wanted (kernels have none)."""
    forced = _forced.get()
    if forced is not None:
        return forced
    if torch.is_grad_enabled() and any(x.requires_grad for x in operands):
        return False
    return all(x.is_cuda for x in operands) and triton_installed()


@contextmanager
def forced(triton: bool) -> Generator[None]:
    """Always the kernel, or always the reference, inside the block; for tests and benchmarks.

    On a CPU the kernels need TRITON_INTERPRET=1 in the environment before Triton is imported.
    """
    token = _forced.set(triton)
    try:
        yield
    finally:
        _forced.reset(token)


@functools.cache
def triton_installed() -> bool:
    return importlib.util.find_spec("triton") is not None
