"""The router in one launch; the contract is in moe_route.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _route(
    scores,  # [T, E]
    per_expert_scale,  # [E]
    weights,  # [T, A]
    experts,  # [T, A] int64
    probabilities,  # [T, E] float32
    tokens,
    EXPERTS: tl.constexpr,
    ACTIVE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SLOTS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    inside = (row < tokens)[:, None] & (column < EXPERTS)[None, :]
    at = row[:, None] * EXPERTS + column[None, :]
    score = tl.load(scores + at, mask=inside, other=0.0).to(tl.float32)
    score = tl.where(column[None, :] < EXPERTS, score, -float("inf"))
    power = tl.exp(score - tl.max(score, axis=1)[:, None])
    probability = power / tl.sum(power, axis=1)[:, None]
    tl.store(probabilities + at, probability, mask=inside)

    # Floats as integers of the same order: what was taken can then be told from -inf.
    bits = score.to(tl.int32, bitcast=True)
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = tl.where(inside, key, -(2**31))
    slot = tl.arange(0, SLOTS)
    chosen = tl.zeros([ROWS, SLOTS], tl.int32)
    chosen_probability = tl.zeros([ROWS, SLOTS], tl.float32)
    for a in tl.static_range(ACTIVE):
        is_best = key == tl.max(key, axis=1)[:, None]
        best = tl.min(tl.where(is_best, column[None, :], COLUMNS), axis=1)  # ties: the lowest
        here = column[None, :] == best[:, None]
        taken = tl.sum(tl.where(here, probability, 0.0), axis=1)
        key = tl.where(here, -(2**31), key)
        chosen = tl.where(slot[None, :] == a, best[:, None], chosen)
        chosen_probability = tl.where(slot[None, :] == a, taken[:, None], chosen_probability)
    total = tl.sum(chosen_probability, axis=1)
    wanted = (row < tokens)[:, None] & (slot < ACTIVE)[None, :]
    scale = tl.load(per_expert_scale + chosen, mask=wanted, other=0.0).to(tl.float32)
    weight = chosen_probability / total[:, None] * scale
    at = row[:, None] * ACTIVE + slot[None, :]
    tl.store(weights + at, weight.to(weights.dtype.element_ty), mask=wanted)
    tl.store(experts + at, chosen.to(tl.int64), mask=wanted)


def route(
    scores: Tensor, per_expert_scale: Tensor, active_experts: int
) -> tuple[Tensor, Tensor, Tensor]:
    tokens, count = scores.shape
    weights = scores.new_empty(tokens, active_experts)
    experts = scores.new_empty(tokens, active_experts, dtype=torch.int64)
    probabilities = scores.new_empty(tokens, count, dtype=torch.float32)
    if tokens:
        rows = 4  # a warp per token: a step has hundreds of tokens, the card hundreds of cores
        _route[(triton.cdiv(tokens, rows),)](
            scores.contiguous(),
            per_expert_scale,
            weights,
            experts,
            probabilities,
            tokens,
            EXPERTS=count,
            ACTIVE=active_experts,
            ROWS=rows,
            COLUMNS=triton.next_power_of_2(count),
            SLOTS=triton.next_power_of_2(active_experts),
            num_warps=4,
        )
    return weights, experts, probabilities
