"""Quantization in one launch, a program per row; the contract is in fp8.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .fp8 import FP8, LARGEST


@triton.jit
def _rounded(x):
    """x as the nearest number that 8 bits hold; ties to even.

    For Triton's interpreter, whose own conversion halves some numbers that should be rounded up.
    """
    bits = x.to(tl.int32, bitcast=True)
    even = (bits >> 20) & 1  # 3 of 23 bits of mantissa stay
    normal = ((bits + 0x7FFFF + even) & -0x100000).to(tl.float32, bitcast=True)
    steps = 24576.0  # 1.5 * 2^14: a float32 of this size counts in 2^-9
    return tl.where(tl.abs(x) < 0.015625, (x + steps) - steps, normal)


@triton.jit
def _quantize(
    x,  # [N, K]
    values,  # [N, K] float8_e4m3fn
    scales,  # [N] float32
    K: tl.constexpr,
    LARGEST: tl.constexpr,
    BLOCK: tl.constexpr,
    ROUND: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < K
    wide = tl.load(x + row * K + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(wide), axis=0), 1e-12) / LARGEST
    wide = wide / scale
    if ROUND:
        wide = _rounded(wide)
    tl.store(values + row * K + column, wide.to(values.dtype.element_ty), mask=inside)
    tl.store(scales + row, scale)


def quantize_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    count, width = rows.shape
    values = torch.empty(count, width, dtype=FP8, device=rows.device)
    scales = torch.empty(count, dtype=torch.float32, device=rows.device)
    if count:
        _quantize[(count,)](
            rows.contiguous(),
            values,
            scales,
            K=width,
            LARGEST=LARGEST,
            BLOCK=triton.next_power_of_2(width),
            ROUND=triton.knobs.runtime.interpret,
            num_warps=4,
        )
    return values, scales
