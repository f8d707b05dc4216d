"""The order in which the experts work: visits sorted by expert, cut into tiles of one expert."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dispatch import use_triton

UNUSED = -1  # the expert of a tile that has no work


@dataclass(frozen=True, slots=True)
class Plan:
    """Work of a grouped matrix product over the T*A visits of tokens to experts.

    order  [T*A] int32: visits (token * A + slot) by ascending expert, in their order within one
    tiles  [3, tiles] int32: the expert of each tile (or UNUSED), its first row in `order`, and the
           row where the expert's visits end; a tile covers at most `tile_rows` of them
    The number of tiles depends on the shapes only, so that nothing has to be read back.
    """

    order: Tensor
    tiles: Tensor
    tile_rows: int


def moe_plan(experts: Tensor, expert_count: int, tile_rows: int) -> Plan:
    """Plan the visits given by experts [T, A] int64.

    1. `order` is the stable sort of the visits by expert.
    2. The tiles of expert e start at slot (first row of e) // tile_rows + e. That leaves room for
       those of all earlier experts, and needs no sum of rounded-up counts: each expert can place
       its tiles without knowing the counts of others. Slots that are left over are UNUSED.
    """
    if use_triton(experts):
        from .moe_plan_triton import plan

        return Plan(*plan(experts, expert_count, tile_rows), tile_rows)
    return reference(experts, expert_count, tile_rows)


def tile_count(visits: int, expert_count: int, tile_rows: int) -> int:
    return visits // tile_rows + expert_count


def reference(experts: Tensor, expert_count: int, tile_rows: int) -> Plan:
    visits = experts.numel()
    order = experts.flatten().argsort(stable=True).to(torch.int32)  # 1
    counts = torch.bincount(experts.flatten(), minlength=expert_count)  # [E]
    ends = counts.cumsum(0)
    first_row = ends - counts
    first_slot = first_row // tile_rows + torch.arange(expert_count, device=experts.device)  # 2
    slots = torch.arange(tile_count(visits, expert_count, tile_rows), device=experts.device)
    expert = torch.searchsorted(first_slot, slots, right=True) - 1
    start = first_row[expert] + (slots - first_slot[expert]) * tile_rows
    used = start < ends[expert]
    tiles = torch.stack([expert.where(used, UNUSED), start, ends[expert]])
    return Plan(order, tiles.to(torch.int32), tile_rows)
