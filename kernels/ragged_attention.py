"""Attention over a flat batch: sequences of any length, each causal or not, each with a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from .dispatch import use_triton


@dataclass(frozen=True, slots=True)
class Sequences:
    """B sequences of new tokens, one behind the other in a flat batch of T.

    starts         [B + 1] int32: sequence b has the tokens starts[b] to starts[b + 1]
    prefix_starts  [B] int32: where its earlier keys start in the arena
    prefix_tokens  [B] int32: how many there are
    causal         [B] bool: a prompt (sees what came before) or a canvas (sees all of itself)
    longest        at least the new tokens of any sequence; known without asking the device
    """

    starts: Tensor
    prefix_starts: Tensor
    prefix_tokens: Tensor
    causal: Tensor
    longest: int


def ragged_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    arena: tuple[Tensor, Tensor],
    sequences: Sequences,
    window: int | None,
) -> Tensor:
    """softmax(q k) v per head, without scaling; softmax in float32.

    q [T, H, K], k and v [T, G, K] of the new tokens, arena: keys and values [P, G, K] of earlier
    ones, shared by all sequences. Returns [T, H, K].

    New token i of a sequence with S earlier ones sees, of those, and of the new tokens j:
    - causal: positions above S + i - window (all without a window), and j <= i
    - else: positions above S - window, the same for every token, and all j
    """
    if use_triton(q, k, v, *arena):
        from .ragged_attention_triton import attend

        return attend(q, k, v, arena, sequences, window)
    return reference(q, k, v, arena, sequences, window)


def reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    arena: tuple[Tensor, Tensor],
    sequences: Sequences,
    window: int | None,
) -> Tensor:
    out = torch.empty_like(q)
    starts = cast("list[int]", sequences.starts.tolist())
    for b, (start, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        first, tokens = int(sequences.prefix_starts[b]), int(sequences.prefix_tokens[b])
        keys, values = (
            torch.cat([old[first : first + tokens], new[start:end]])
            for old, new in zip(arena, (k, v), strict=True)
        )  # [S + N, G, K]
        position = torch.arange(len(keys), device=q.device)
        query = position[tokens:, None]  # [N, 1]
        if sequences.causal[b]:
            visible, oldest = position <= query, query
        else:
            visible, oldest = torch.ones_like(position <= query), torch.full_like(query, tokens)
        if window is not None:
            visible = visible & (position > oldest - window)
        shared = q.shape[1] // k.shape[1]
        keys, values = (x.repeat_interleave(shared, dim=1) for x in (keys, values))
        scores = torch.einsum("nhk,shk->hns", q[start:end], keys)
        scores = scores.masked_fill(~visible, -torch.inf)
        probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
        out[start:end] = torch.einsum("hns,shk->nhk", probabilities, values)
    return out
