"""Norms under several gains, a program per token; the contract is in rms_norms.py."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .rms_norms import MOST


@triton.jit
def _norms(
    x, first, second, third, out, eps, COUNT: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr
):
    """out [COUNT, T, D] from x [T, D] and COUNT weights [D]."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < D
    values = tl.load(x + token * D + column, mask=inside, other=0.0).to(tl.float32)
    values *= 1.0 / tl.sqrt(tl.sum(values * values, axis=0) / D + eps)
    at = out + token * D + column
    plane = tl.num_programs(0).to(tl.int64) * D
    for n in tl.static_range(COUNT):
        weight = first if n == 0 else second if n == 1 else third
        gain = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
        tl.store(at + n * plane, (values * gain).to(out.dtype.element_ty), mask=inside)


def norms(x: Tensor, weights: tuple[Tensor, ...], eps: float) -> tuple[Tensor, ...]:
    tokens, width = x.shape
    out = x.new_empty(len(weights), tokens, width)
    if tokens:
        given = (*weights, *weights[:1] * (MOST - len(weights)))
        _norms[(tokens,)](
            x.contiguous(), *given, out, eps,
            COUNT=len(weights), D=width, BLOCK=triton.next_power_of_2(width), num_warps=8,
        )  # fmt: skip
    return out.unbind()
