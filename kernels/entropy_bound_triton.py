"""The acceptance rule without a sort; the contract is in entropy_bound.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def add_earlier(spent, mine, position, theirs, other):
    """spent [N] plus, of the entropies `theirs` [M] at positions `other`, those that come before
    `mine` [N] in ascending order; equal ones in the order of positions.

    Every pair is compared, a block of others at a time: canvases are short, and a sort has more
    stages. Infinite ones are not added: nothing that can be accepted comes after them.
    """
    earlier = (theirs[None, :] < mine[:, None]) | (
        (theirs[None, :] == mine[:, None]) & (other[None, :] < position[:, None])
    )
    earlier = earlier & (theirs < float("inf"))[None, :]
    return spent + tl.sum(tl.where(earlier, theirs[None, :], 0.0), axis=1)


@triton.jit
def _accept(entropy, accepted, bound, size, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * size
    position = tl.arange(0, COLUMNS)
    inside = position < size
    mine = tl.load(entropy + row + position, mask=inside, other=float("inf"))
    spent = tl.zeros([COLUMNS], tl.float32)
    for start in range(0, size, BLOCK):
        other = start + tl.arange(0, BLOCK)
        theirs = tl.load(entropy + row + other, mask=other < size, other=float("inf"))
        spent = add_earlier(spent, mine, position, theirs, other)
    within = (spent <= bound) & (mine < float("inf"))
    tl.store(accepted + row + position, within.to(tl.int8), mask=inside)


def accept(entropy: Tensor, bound: float) -> Tensor:
    rows, size = entropy.shape
    accepted = torch.empty(rows, size, dtype=torch.int8, device=entropy.device)
    if accepted.numel():
        columns = triton.next_power_of_2(size)
        _accept[(rows,)](
            entropy.contiguous(), accepted, bound, size, COLUMNS=columns, BLOCK=16, num_warps=4
        )
    return accepted.view(torch.bool)
