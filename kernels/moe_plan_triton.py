"""The plan in one launch, a program per expert; the contract is in moe_plan.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .moe_plan import tile_count


@triton.jit
def _plan(
    experts,  # [visits] int64
    order,  # [visits] int32
    tiles,  # [3, slots] int32
    visits,
    slots,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    expert = tl.program_id(0)
    is_last = expert == tl.num_programs(0) - 1
    lane = tl.arange(0, BLOCK)
    before = tl.zeros([BLOCK], tl.int32)
    own = tl.zeros([BLOCK], tl.int32)
    for block in range(0, visits, BLOCK):
        inside = block + lane < visits
        chosen = tl.load(experts + block + lane, mask=inside, other=0)
        before += (inside & (chosen < expert)).to(tl.int32)
        own += (inside & (chosen == expert)).to(tl.int32)
    first_row = tl.sum(before, axis=0)
    count = tl.sum(own, axis=0)

    row = first_row
    for block in range(0, visits, BLOCK):
        inside = block + lane < visits
        chosen = tl.load(experts + block + lane, mask=inside, other=0)
        match = (inside & (chosen == expert)).to(tl.int32)
        rank = tl.cumsum(match, axis=0) - match
        tl.store(order + row + rank, block + lane, mask=match > 0)
        row += tl.sum(match, axis=0)

    slot = first_row // TILE + expert
    next_slot = tl.where(is_last, slots, (first_row + count) // TILE + expert + 1)
    for i in range(0, next_slot - slot, BLOCK):
        nth = i + lane
        start = first_row + nth * TILE
        end = first_row + count
        at = tiles + slot + nth
        inside = slot + nth < next_slot
        tl.store(at, tl.where(start < end, expert, -1), mask=inside)
        tl.store(at + slots, start, mask=inside)
        tl.store(at + 2 * slots, tl.zeros_like(start) + end, mask=inside)


def plan(experts: Tensor, expert_count: int, tile_rows: int) -> tuple[Tensor, Tensor]:
    visits = experts.numel()
    slots = tile_count(visits, expert_count, tile_rows)
    order = experts.new_empty(visits, dtype=torch.int32)
    tiles = experts.new_empty(3, slots, dtype=torch.int32)
    _plan[(expert_count,)](
        experts.contiguous(), order, tiles, visits, slots, TILE=tile_rows, BLOCK=1024, num_warps=4
    )
    return order, tiles
