"""Attention under a mask, keys in blocks; the contract is in canvas_attention.py.

The query heads that share a KV head are packed into the rows of one tile: row r is query
r // SHARED and head r % SHARED of the group.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_math import product


@triton.jit
def attend_block(
    q,  # [ROWS, HEAD]
    at_k,  # pointers [KEYS, HEAD]
    at_v,  # pointers [KEYS, VALUES]
    inside,  # [KEYS, HEAD]: what may be loaded
    inside_v,  # [KEYS, VALUES]
    visible,  # [ROWS, KEYS]
    best,  # [ROWS] highest score so far, -inf before there is one
    mass,  # [ROWS] sum of exp(score - best)
    out,  # [ROWS, VALUES] sum of exp(score - best) * value
    UPCAST: tl.constexpr,
):
    """One block of keys in the running softmax: the new (best, mass, out)."""
    k = tl.load(at_k, mask=inside, other=0.0)
    scores = product(q, tl.trans(k), tl.zeros([q.shape[0], k.shape[0]], tl.float32), UPCAST)
    scores = tl.where(visible, scores, -float("inf"))
    new_best = tl.maximum(best, tl.max(scores, axis=1))
    # A row that has seen no key yet: -inf - -inf would be nan.
    shift = tl.where(new_best == -float("inf"), 0.0, new_best)
    powers = tl.exp(scores - shift[:, None])
    fade = tl.exp(best - shift)
    v = tl.load(at_v, mask=inside_v, other=0.0)
    out = product(powers.to(v.dtype), v, out * fade[:, None], UPCAST)
    return new_best, mass * fade + tl.sum(powers, axis=1), out


@triton.jit
def _attend(
    q,  # [B, N, H, K]
    k,  # [B, S, G, K]
    v,
    mask,  # [B, N, S], any strides
    out,  # [B, N, H, K]
    queries,
    keys,
    mask_row_stride,
    mask_query_stride,
    mask_key_stride,
    GROUPS: tl.constexpr,
    SHARED: tl.constexpr,
    SIZE: tl.constexpr,
    HEAD: tl.constexpr,
    VALUES: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    parts: tl.constexpr = HEAD // VALUES
    group = tl.program_id(1) // parts
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    query = row // SHARED
    lane = tl.arange(0, HEAD)
    value = (tl.program_id(1) % parts) * VALUES + tl.arange(0, VALUES)
    wanted = (query < queries)[:, None] & (lane < SIZE)[None, :]
    head = group * SHARED + row % SHARED
    at = ((batch * queries + query) * (GROUPS * SHARED) + head)[:, None] * SIZE
    tile = tl.load(q + at + lane[None, :], mask=wanted, other=0.0)
    best = tl.full([ROWS], -float("inf"), tl.float32)
    mass = tl.zeros([ROWS], tl.float32)
    total = tl.zeros([ROWS, VALUES], tl.float32)
    nth = tl.arange(0, KEYS)
    at_key = (nth * GROUPS + group)[:, None] * SIZE
    first = batch * keys * GROUPS * SIZE
    at_mask = mask + batch * mask_row_stride + query * mask_query_stride
    for start in range(0, keys, KEYS):
        key = start + nth
        visible = tl.load(
            at_mask[:, None] + key[None, :] * mask_key_stride,
            mask=(query < queries)[:, None] & (key < keys)[None, :],
            other=0,
        )
        inside = (key < keys)[:, None] & (lane < SIZE)[None, :]
        inside_v = (key < keys)[:, None] & (value < SIZE)[None, :]
        here = first + start * (GROUPS * SIZE) + at_key
        best, mass, total = attend_block(
            tile, k + here + lane[None, :], v + here + value[None, :], inside, inside_v,
            visible != 0, best, mass, total, UPCAST,
        )  # fmt: skip
    total = total / tl.where(mass == 0.0, 1.0, mass)[:, None]
    wanted = (query < queries)[:, None] & (value < SIZE)[None, :]
    tl.store(out + at + value[None, :], total.to(out.dtype.element_ty), mask=wanted)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    rows, queries, heads, size = q.shape
    keys, groups = k.shape[1], k.shape[2]
    shared = heads // groups
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    if out.numel() == 0:
        return out
    mask = mask.expand(-1, queries, -1).view(torch.int8)
    tiling = attention_tiling(queries * shared, size)
    parts = tiling["HEAD"] // tiling["VALUES"]
    _attend[(triton.cdiv(queries * shared, tiling["ROWS"]), groups * parts, rows)](
        q.contiguous(),
        k.contiguous(),
        v.contiguous(),
        mask,
        out,
        queries,
        keys,
        *mask.stride(),
        GROUPS=groups,
        SHARED=shared,
        SIZE=size,
        UPCAST=triton.knobs.runtime.interpret,
        **tiling,
    )
    return out


def attention_tiling(rows: int, size: int) -> dict[str, int]:
    """Tile sizes and launch options.

    The values of a head of 512 are taken in two parts, by two programs that both compute the
    scores: sums of 64 x 512 leave too few registers.
    """
    head = max(16, triton.next_power_of_2(size))
    return {
        "HEAD": head,
        "VALUES": min(head, 256),
        "ROWS": 64 if rows > 16 else 16,
        "KEYS": 32 if head >= 256 else 64,
        "num_warps": 8 if head >= 256 else 4,
        "num_stages": 2,
    }
