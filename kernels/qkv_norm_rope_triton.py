"""Norms and rotation in one launch, a program per token and head; see qkv_norm_rope.py."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .qkv_norm_rope import Heads


@triton.jit
def _prepare(
    qkv,  # [T, (H + G or H + 2G) * K]
    q_weight,  # [K]
    k_weight,
    cosines,  # [T, K]
    sines,
    q,  # [T, H, K]
    k,  # [T, G, K]
    v,
    eps,
    QUERIES: tl.constexpr,
    GROUPS: tl.constexpr,
    SIZE: tl.constexpr,
    WIDTH: tl.constexpr,
    HALF: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)  # queries, then keys, then values
    is_query = head < QUERIES
    is_value = head >= QUERIES + GROUPS
    group = tl.where(is_value, head - QUERIES - GROUPS, head - QUERIES)
    source = tl.where(is_value, WIDTH - (GROUPS - group) * SIZE, head * SIZE)
    lane = tl.arange(0, HALF)
    inside = lane < SIZE // 2
    at = qkv + token * WIDTH + source + lane
    first = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(at + SIZE // 2, mask=inside, other=0.0).to(tl.float32)
    square = tl.sum(first * first, axis=0) + tl.sum(second * second, axis=0)
    root = 1.0 / tl.sqrt(square / SIZE + eps)
    first *= root
    second *= root
    if is_value:
        at = v + (token * GROUPS + group) * SIZE + lane
        tl.store(at, first.to(v.dtype.element_ty), mask=inside)
        tl.store(at + SIZE // 2, second.to(v.dtype.element_ty), mask=inside)
    else:
        weight = q_weight if is_query else k_weight
        first *= tl.load(weight + lane, mask=inside, other=0.0).to(tl.float32)
        second *= tl.load(weight + SIZE // 2 + lane, mask=inside, other=0.0).to(tl.float32)
        cosine = tl.load(cosines + token * SIZE + lane, mask=inside, other=0.0).to(tl.float32)
        sine = tl.load(sines + token * SIZE + lane, mask=inside, other=0.0).to(tl.float32)
        at = k + (token * GROUPS + group) * SIZE + lane
        if is_query:
            at = q + (token * QUERIES + head) * SIZE + lane
        tl.store(at, (first * cosine - second * sine).to(q.dtype.element_ty), mask=inside)
        turned = second * cosine + first * sine
        tl.store(at + SIZE // 2, turned.to(q.dtype.element_ty), mask=inside)


def prepare(
    qkv: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    heads: Heads,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    tokens = len(qkv)
    q = qkv.new_empty(tokens, heads.queries, heads.size)
    k, v = (qkv.new_empty(tokens, heads.groups, heads.size) for _ in range(2))
    if tokens:
        _prepare[(tokens, heads.queries + 2 * heads.groups)](
            qkv.contiguous(),
            q_weight,
            k_weight,
            angles[0].contiguous(),
            angles[1].contiguous(),
            q,
            k,
            v,
            eps,
            QUERIES=heads.queries,
            GROUPS=heads.groups,
            SIZE=heads.size,
            WIDTH=heads.width,
            HALF=triton.next_power_of_2(heads.size // 2),
            num_warps=1,
        )
    return q, k, v
