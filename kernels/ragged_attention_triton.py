"""Attention over a flat batch; the contract is in ragged_attention.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .canvas_attention_triton import attend_block, attention_tiling
from .ragged_attention import Sequences


@triton.jit
def _attend(
    q,  # [T, H, K]
    k,  # [T, G, K]
    v,
    arena_k,  # [P, G, K]
    arena_v,
    out,  # [T, H, K]
    starts,
    prefix_starts,
    prefix_tokens,
    causal,
    WINDOW: tl.constexpr,  # 0: none
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
    sequence = tl.program_id(2)
    start = tl.load(starts + sequence)
    tokens = tl.load(starts + sequence + 1) - start
    first_query = tl.program_id(0) * ROWS // SHARED
    if first_query >= tokens:
        return
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    query = row // SHARED
    lane = tl.arange(0, HEAD)
    value = (tl.program_id(1) % parts) * VALUES + tl.arange(0, VALUES)
    wanted = (query < tokens)[:, None] & (lane < SIZE)[None, :]
    head = group * SHARED + row % SHARED
    at = ((start + query).to(tl.int64) * (GROUPS * SHARED) + head)[:, None] * SIZE
    tile = tl.load(q + at + lane[None, :], mask=wanted, other=0.0)
    best = tl.full([ROWS], -float("inf"), tl.float32)
    mass = tl.zeros([ROWS], tl.float32)
    total = tl.zeros([ROWS, VALUES], tl.float32)
    nth = tl.arange(0, KEYS)
    at_key = (nth * GROUPS + group)[:, None] * SIZE
    is_causal = tl.load(causal + sequence) != 0
    # What a query sees: positions from `oldest` on, and new tokens up to `newest`.
    oldest = tl.where(is_causal, query, 0) - WINDOW + 1  # counted from the first new token
    newest = tl.where(is_causal, query, tokens)
    skipped = tl.where(is_causal, first_query, 0) - WINDOW + 1

    prefix = tl.load(prefix_tokens + sequence)
    prefix_start = tl.load(prefix_starts + sequence).to(tl.int64)
    first_key = 0
    if WINDOW > 0:
        first_key = tl.maximum(prefix + skipped, 0) // KEYS * KEYS
    for block in range(first_key, prefix, KEYS):
        key = block + nth
        visible = (key < prefix)[None, :] & (query < tokens)[:, None]
        if WINDOW > 0:
            visible = visible & ((key - prefix)[None, :] >= oldest[:, None])
        inside = (key < prefix)[:, None] & (lane < SIZE)[None, :]
        inside_v = (key < prefix)[:, None] & (value < SIZE)[None, :]
        here = (prefix_start + block) * (GROUPS * SIZE) + at_key
        best, mass, total = attend_block(
            tile, arena_k + here + lane[None, :], arena_v + here + value[None, :], inside,
            inside_v, visible, best, mass, total, UPCAST,
        )  # fmt: skip

    first_key = 0
    if WINDOW > 0:
        first_key = tl.maximum(skipped, 0) // KEYS * KEYS
    last_query = tl.minimum((tl.program_id(0) * ROWS + ROWS - 1) // SHARED, tokens - 1)
    end = tl.where(is_causal, last_query + 1, tokens)
    for block in range(first_key, end, KEYS):
        key = block + nth
        visible = (key < tokens)[None, :] & (key[None, :] <= newest[:, None])
        if WINDOW > 0:
            visible = visible & (key[None, :] >= oldest[:, None])
        inside = (key < tokens)[:, None] & (lane < SIZE)[None, :]
        inside_v = (key < tokens)[:, None] & (value < SIZE)[None, :]
        here = (start + block).to(tl.int64) * (GROUPS * SIZE) + at_key
        best, mass, total = attend_block(
            tile, k + here + lane[None, :], v + here + value[None, :], inside, inside_v,
            visible, best, mass, total, UPCAST,
        )  # fmt: skip
    total = total / tl.where(mass == 0.0, 1.0, mass)[:, None]
    wanted = (query < tokens)[:, None] & (value < SIZE)[None, :]
    tl.store(out + at + value[None, :], total.to(out.dtype.element_ty), mask=wanted)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    arena: tuple[Tensor, Tensor],
    sequences: Sequences,
    window: int | None,
) -> Tensor:
    groups, size = k.shape[1:]
    shared = q.shape[1] // groups
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    rows = sequences.longest * shared
    if rows == 0 or len(sequences.causal) == 0:
        return out
    tiling = attention_tiling(rows, size)
    parts = tiling["HEAD"] // tiling["VALUES"]
    _attend[(triton.cdiv(rows, tiling["ROWS"]), groups * parts, len(sequences.causal))](
        q.contiguous(),
        k.contiguous(),
        v.contiguous(),
        arena[0],
        arena[1],
        out,
        sequences.starts,
        sequences.prefix_starts,
        sequences.prefix_tokens,
        sequences.causal.view(torch.int8),
        WINDOW=window or 0,
        GROUPS=groups,
        SHARED=shared,
        SIZE=size,
        UPCAST=triton.knobs.runtime.interpret,
        **tiling,
    )
    return out
