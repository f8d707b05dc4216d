"""The token that a verifier and the canvas that drafted would write together."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton


def vote(
    scores: Tensor, log_total: Tensor, drafts: Tensor, rows: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """best [T] int64: the first arg-max over v of scores[t, v] + weight[t] * drafts[rows[t], v],
    and log_p [T] float32 of it in the verifier's own eyes: scores[t, best] - log_total[t].

    scores [T, V] and log_total [T] float32 of the verifier (see vocab_stats.py), drafts [C, V] the
    scores of the canvas in the same dtype: what normalizes them does not change an arg-max. rows
    [T] int64: the canvas position that drafted the token behind t; weight [T] float32, at least
    0: of its vote, times the temperature that its scores were divided by; 0 where none drafted.

    `accept_prefix` reads both. There is no gradient.
    """
    if use_triton(scores, log_total, drafts, rows, weight):
        from .vote_triton import elect

        return elect(scores, log_total, drafts, rows, weight)
    return reference(scores, log_total, drafts, rows, weight)


@torch.no_grad()
def reference(
    scores: Tensor, log_total: Tensor, drafts: Tensor, rows: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    best = torch.addcmul(scores.float(), drafts[rows].float(), weight[:, None]).argmax(dim=-1)
    return best, scores.gather(1, best[:, None])[:, 0].float() - log_total
