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

from .fp8 import Quantized
from .fp8_triton import quantize_rows
from .moe_plan_triton import plan
from .triton_math import gelu_tanh, product

_Operand = tuple[Tensor, Tensor | None]


@triton.jit
def _up(
    x,  # [T, D]
    x_scales,  # [T] float32, or None: x is not quantized
    order,  # [T*A] int32
    tiles,  # [3, slots] int32
    gate_up,  # [E, 2F, D]
    gate_up_scales,  # [E, 2F] float32, or None
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
    if x_scales is not None:
        at_scale = gate_up_scales + expert * (2 * F) + column
        scale = tl.load(x_scales + token, mask=taken, other=0.0)[None, :]
        gate *= scale * tl.load(at_scale, mask=column < F, other=0.0)[:, None]
        up *= scale * tl.load(at_scale + F, mask=column < F, other=0.0)[:, None]
    active = (gelu_tanh(gate) * up).to(hidden.dtype.element_ty)
    at = hidden + row.to(tl.int64)[None, :] * F + column[:, None]
    tl.store(at, active, mask=wanted & taken[None, :])


@triton.jit
def _down(
    hidden,  # [T*A, F]
    hidden_scales,  # [T*A] float32, or None: hidden is not quantized
    weights,  # [T*A]
    order,  # [T*A] int32
    tiles,  # [3, slots] int32
    down,  # [E, D, F]
    down_scales,  # [E, D] float32, or None
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
    if hidden_scales is not None:
        at_scale = down_scales + expert * D + column
        out *= tl.load(at_scale, mask=column < D, other=0.0)[:, None]
        out *= tl.load(hidden_scales + row, mask=taken, other=0.0)[None, :]
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
    inner_bytes: int  # of each row that a stage of a product reads
    warps: int
    stages: int


def _tiling(visits: int, experts: int) -> _Tiling:
    """By visits per expert: twice the mean, so that most experts fit one tile and read their
    weights once."""
    rows = min(128, max(16, triton.next_power_of_2(2 * visits // experts)))
    if rows <= 32:
        return _Tiling(rows, inner_bytes=256, warps=4, stages=4)
    return _Tiling(rows, inner_bytes=128, warps=8 if rows == 128 else 4, stages=4)


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
    products = _Products(x, experts, gate_up.shape[0], down.shape[2])
    hidden = products.up((x.contiguous(), None), (gate_up, None))
    return products.down((hidden, None), weights, (down, None))


def visit_experts_fp8(
    x: Tensor, weights: Tensor, experts: Tensor, gate_up: Quantized, down: Quantized
) -> Tensor:
    products = _Products(x, experts, gate_up.values.shape[0], down.values.shape[2])
    hidden = products.up(quantize_rows(x), (gate_up.values, gate_up.scales))
    return products.down(quantize_rows(hidden), weights, (down.values, down.scales))


class _Products:
    """The two products over one plan. Operands are pairs of values and scales or None."""

    def __init__(self, x: Tensor, experts: Tensor, count: int, hidden_size: int) -> None:
        self.x, self.experts, self.hidden_size = x, experts, hidden_size
        self.tiling = _tiling(experts.numel(), count)
        self.order, self.tiles = plan(experts, count, self.tiling.rows)

    def up(self, x: _Operand, gate_up: _Operand) -> Tensor:
        hidden = self.x.new_empty(self.experts.numel(), self.hidden_size)
        block = 64
        if hidden.numel():
            _up[self._grid(self.hidden_size, block)](
                *x,
                self.order,
                self.tiles,
                *gate_up,
                hidden,
                self.tiles.shape[1],
                ACTIVE=self.experts.shape[1],
                BLOCK_F=block,
                BLOCK_D=self.tiling.inner_bytes // x[0].element_size(),
                **self._options(),
            )
        return hidden

    def down(self, hidden: _Operand, weights: Tensor, down: _Operand) -> Tensor:
        visits = self.x.new_empty(*self.experts.shape, self.x.shape[1])
        block = 128
        if visits.numel():
            _down[self._grid(self.x.shape[1], block)](
                *hidden,
                weights.contiguous(),
                self.order,
                self.tiles,
                *down,
                visits,
                self.tiles.shape[1],
                BLOCK_D=block,
                BLOCK_F=128 // hidden[0].element_size(),
                **self._options(),
            )
        return visits

    def _grid(self, columns: int, block: int) -> tuple[int]:
        return (self.tiles.shape[1] * triton.cdiv(columns, block),)

    def _options(self) -> dict[str, int]:
        return {
            "D": self.x.shape[1],
            "F": self.hidden_size,
            "ROWS": self.tiling.rows,
            "UPCAST": triton.knobs.runtime.interpret,
            "num_warps": self.tiling.warps,
            "num_stages": self.tiling.stages,
        }
