"""The experts as two grouped matrix products and a sum; the contract is in moe_ffn.py.

The weights are the tall side of each product and the tokens the other one: the tensor cores of
Hopper want 64 rows of the first operand and take 16 or more columns of the second, and an expert
has many weights and few tokens. Rows of `hidden` are in the order of the plan; what the second
product writes is back in the order of the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from .moe_plan_triton import plan
from .triton_math import gelu_tanh, product


@triton.jit
def _up(
    x,  # [T, D]
    order,  # [T*A] int32
    tiles,  # [3, slots] int32
    gate_up,  # [E, 2F, D]
    hidden,  # [T*A, F]
    slots,
    D: tl.constexpr,
    F: tl.constexpr,
    ACTIVE: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_F: tl.constexpr,
    BLOCK_D: tl.constexpr,
    UPCAST: tl.constexpr,
):
    blocks: tl.constexpr = (F + BLOCK_F - 1) // BLOCK_F
    tile = tl.program_id(0) // blocks
    expert = tl.load(tiles + tile)
    if expert < 0:
        return
    row = tl.load(tiles + slots + tile) + tl.arange(0, ROWS)
    taken = row < tl.load(tiles + 2 * slots + tile)
    token = tl.load(order + row, mask=taken, other=0) // ACTIVE
    column = (tl.program_id(0) % blocks) * BLOCK_F + tl.arange(0, BLOCK_F)
    d = tl.arange(0, BLOCK_D)
    at_x = x + token[:, None] * D + d[None, :]
    at_gate = gate_up + expert.to(tl.int64) * (2 * F * D) + column[:, None] * D + d[None, :]
    wanted = (column < F)[:, None]
    gate = tl.zeros([BLOCK_F, ROWS], tl.float32)
    up = tl.zeros([BLOCK_F, ROWS], tl.float32)
    for start in range(0, D, BLOCK_D):
        inside = (start + d < D)[None, :]
        tokens = tl.trans(tl.load(at_x + start, mask=taken[:, None] & inside, other=0.0))
        gates = tl.load(at_gate + start, mask=wanted & inside, other=0.0)
        ups = tl.load(at_gate + F * D + start, mask=wanted & inside, other=0.0)
        gate = product(gates, tokens, gate, UPCAST)
        up = product(ups, tokens, up, UPCAST)
    active = (gelu_tanh(gate) * up).to(hidden.dtype.element_ty)
    at = hidden + row.to(tl.int64)[None, :] * F + column[:, None]
    tl.store(at, active, mask=wanted & taken[None, :])


@triton.jit
def _down(
    hidden,  # [T*A, F]
    weights,  # [T*A]
    order,  # [T*A] int32
    tiles,  # [3, slots] int32
    down,  # [E, D, F]
    visits,  # [T*A, D], in the order of the tokens
    slots,
    D: tl.constexpr,
    F: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_F: tl.constexpr,
    UPCAST: tl.constexpr,
):
    blocks: tl.constexpr = (D + BLOCK_D - 1) // BLOCK_D
    tile = tl.program_id(0) // blocks
    expert = tl.load(tiles + tile)
    if expert < 0:
        return
    row = tl.load(tiles + slots + tile) + tl.arange(0, ROWS)
    taken = row < tl.load(tiles + 2 * slots + tile)
    column = (tl.program_id(0) % blocks) * BLOCK_D + tl.arange(0, BLOCK_D)
    f = tl.arange(0, BLOCK_F)
    at_hidden = hidden + row.to(tl.int64)[:, None] * F + f[None, :]
    at_down = down + expert.to(tl.int64) * (D * F) + column[:, None] * F + f[None, :]
    wanted = (column < D)[:, None]
    out = tl.zeros([BLOCK_D, ROWS], tl.float32)
    for start in range(0, F, BLOCK_F):
        inside = (start + f < F)[None, :]
        inner = tl.trans(tl.load(at_hidden + start, mask=taken[:, None] & inside, other=0.0))
        downs = tl.load(at_down + start, mask=wanted & inside, other=0.0)
        out = product(downs, inner, out, UPCAST)
    visit = tl.load(order + row, mask=taken, other=0)
    out *= tl.load(weights + visit, mask=taken, other=0.0).to(tl.float32)[None, :]
    at = visits + visit.to(tl.int64)[None, :] * D + column[:, None]
    tl.store(at, out.to(visits.dtype.element_ty), mask=wanted & taken[None, :])


@triton.jit
def _add_visits(visits, out, D: tl.constexpr, ACTIVE: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < D
    total = tl.zeros([BLOCK], tl.float32)
    for a in tl.static_range(ACTIVE):
        at = visits + (token * ACTIVE + a) * D + column
        total += tl.load(at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * D + column, total.to(out.dtype.element_ty), mask=inside)


@dataclass(frozen=True)
class _Tiling:
    """Not tuned on a card yet: chosen for bytes in flight, no spills and shared memory."""

    rows: int
    block_k: int
    warps: int
    stages: int


def _tiling(visits: int, experts: int) -> _Tiling:
    """By visits per expert: twice the mean, so that most experts fit one tile and read their
    weights once."""
    rows = min(128, max(16, triton.next_power_of_2(2 * visits // experts)))
    if rows <= 32:
        return _Tiling(rows, block_k=128, warps=4, stages=4)
    return _Tiling(rows, block_k=64, warps=8 if rows == 128 else 4, stages=4)


def ffn(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    tokens, width = x.shape
    active = experts.shape[1]
    out = x.new_empty(tokens, width)
    if tokens == 0:
        return out
    visits = visit_experts(x, weights, experts, gate_up, down)
    block = min(1024, triton.next_power_of_2(width))
    grid = (tokens, triton.cdiv(width, block))
    _add_visits[grid](visits, out, D=width, ACTIVE=active, BLOCK=block, num_warps=4)
    return out


def visit_experts(
    x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """The weighted outputs [T, A, D] of the visits."""
    tokens, width = x.shape
    active, count, hidden_size = experts.shape[1], gate_up.shape[0], down.shape[2]
    visits = x.new_empty(tokens, active, width)
    if tokens == 0:
        return visits
    tiling = _tiling(tokens * active, count)
    order, tiles = plan(experts, count, tiling.rows)
    slots = tiles.shape[1]
    hidden = x.new_empty(tokens * active, hidden_size)
    block_f, block_d = 64, 128
    options = {"UPCAST": triton.knobs.runtime.interpret}
    options |= {"num_warps": tiling.warps, "num_stages": tiling.stages}
    _up[(slots * triton.cdiv(hidden_size, block_f),)](
        x.contiguous(),
        order,
        tiles,
        gate_up,
        hidden,
        slots,
        D=width,
        F=hidden_size,
        ACTIVE=active,
        ROWS=tiling.rows,
        BLOCK_F=block_f,
        BLOCK_D=tiling.block_k,
        **options,
    )
    _down[(slots * triton.cdiv(width, block_d),)](
        hidden,
        weights.contiguous(),
        order,
        tiles,
        down,
        visits,
        slots,
        D=width,
        F=hidden_size,
        ROWS=tiling.rows,
        BLOCK_D=block_d,
        BLOCK_F=64,
        **options,
    )
    return visits
