"""Attention of the new tokens over a padded prefix and themselves, under a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton


def canvas_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """softmax(q k) v per head, without scaling; softmax in float32.

    q [B, N, H, K], k and v [B, S, G, K] with H a multiple of G (query heads share KV heads in
    contiguous groups), mask [B, N, S] bool, True where a key is visible; every query sees at
    least one. Returns [B, N, H, K]. For a batch without padding see ragged_attention.py.
    """
    if use_triton(q, k, v, mask):
        from .canvas_attention_triton import attend

        return attend(q, k, v, mask)
    return reference(q, k, v, mask)


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """NOTE: one matrix product per query head, although heads share keys: with a product per
    group some shapes round differently, and tokens are compared exactly.
    """
    shared = q.shape[2] // k.shape[2]
    k, v = (x.transpose(1, 2).repeat_interleave(shared, dim=1) for x in (k, v))  # [B, H, S, K]
    scores = q.transpose(1, 2) @ k.transpose(2, 3)  # [B, H, N, S]
    scores = scores.masked_fill(~mask[:, None], -torch.inf)
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
    return (probabilities @ v).transpose(1, 2)
