"""Attention of the new tokens over a ragged prefix and themselves."""

from __future__ import annotations

import torch
from torch import Tensor


def canvas_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """softmax(q k) v per head, without scaling; softmax in float32.

    q [B, N, H, K], k and v [B, S, G, K] with H a multiple of G (query heads share KV heads in
    contiguous groups), mask [B, N, S] bool, True where a key is visible; every query sees at
    least one. Returns [B, N, H, K].
    """
    batch, new, heads, size = q.shape
    groups = k.shape[2]
    grouped = q.view(batch, new, groups, heads // groups, size)
    scores = torch.einsum("bnghk,bsgk->bghns", grouped, k)
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
    return torch.einsum("bghns,bsgk->bnghk", probabilities, v).reshape(q.shape)
