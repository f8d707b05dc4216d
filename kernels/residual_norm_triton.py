"""The ends of a layer's halves, a program per token; the contracts are in residual_norm.py."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _normed(values, weight, column, inside, eps, D: tl.constexpr):
    root = 1.0 / tl.sqrt(tl.sum(values * values, axis=0) / D + eps)
    return values * root * tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _add(x, update, weight, out, eps, D: tl.constexpr, BLOCK: tl.constexpr):
    column = tl.arange(0, BLOCK)
    inside = column < D
    at = tl.program_id(0).to(tl.int64) * D + column
    values = tl.load(update + at, mask=inside, other=0.0).to(tl.float32)
    values = _normed(values, weight, column, inside, eps, D)
    total = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) + values
    tl.store(out + at, total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _combine(
    x,  # [T, D]
    dense,  # [T, D]
    visits,  # [T, A, D]
    dense_weight,
    sparse_weight,
    weight,
    scalars,  # [T]
    out,  # [T, D]
    eps,
    D: tl.constexpr,
    ACTIVE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < D
    at = token * D + column
    sparse = tl.zeros([BLOCK], tl.float32)
    for a in tl.static_range(ACTIVE):
        visit = visits + (token * ACTIVE + a) * D + column
        sparse += tl.load(visit, mask=inside, other=0.0).to(tl.float32)
    both = _normed(sparse, sparse_weight, column, inside, eps, D)
    values = tl.load(dense + at, mask=inside, other=0.0).to(tl.float32)
    both += _normed(values, dense_weight, column, inside, eps, D)
    total = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    total += _normed(both, weight, column, inside, eps, D)
    total *= tl.load(scalars + token).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=inside)


def add(x: Tensor, update: Tensor, weight: Tensor, eps: float) -> Tensor:
    tokens, width = x.shape
    out = x.new_empty(tokens, width)
    if tokens:
        _add[(tokens,)](
            x.contiguous(), update.contiguous(), weight, out, eps,
            D=width, BLOCK=triton.next_power_of_2(width), num_warps=8,
        )  # fmt: skip
    return out


def combine(
    x: Tensor,
    dense: Tensor,
    visits: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalars: Tensor,
    eps: float,
) -> Tensor:
    tokens, active, width = visits.shape
    out = x.new_empty(tokens, width)
    if tokens:
        _combine[(tokens,)](
            x.contiguous(), dense.contiguous(), visits.contiguous(), *weights, scalars, out, eps,
            D=width, ACTIVE=active, BLOCK=triton.next_power_of_2(width), num_warps=8,
        )  # fmt: skip
    return out
