"""The most likely tokens of each row: what self-conditioning is fed with when not with all."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def top_tokens(scores: Tensor, log_total: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Probabilities [T, n] float32 and tokens [T, n] int64 of the n = `count` highest scores.

    scores [T, V], log_total [T] float32 = log sum e^scores (see vocab_stats.py): the probability
    of a score is e^(score - log_total). Of equal scores, any may be taken. Written in operations
    of torch for all devices: a search of the whole row would read it many times.

    1. Deal the entries into groups, in turn, and take each group's maximum: one pass.
    2. The n highest entries are all in the n groups of the highest maxima: search only those, and
       what remained when there was no full round.
    """
    rows, vocab = scores.shape
    if not 1 <= count <= vocab:
        raise ValueError(f"count must be 1 to the vocabulary's {vocab}, got {count}")
    size = math.isqrt(vocab // count)  # of a group: least work, vocab / size + count * size
    groups = vocab // size  # at least `count`
    whole = groups * size
    highest = scores[:, :whole].view(rows, size, groups).amax(dim=1)  # [T, groups]  # 1
    chosen = highest.topk(count).indices  # 2
    members = torch.arange(0, whole, groups, device=scores.device)  # [size]
    tokens = (chosen[:, :, None] + members).flatten(1)  # [T, n * size]
    rest = torch.arange(whole, vocab, device=scores.device).expand(rows, -1)
    tokens = torch.cat([tokens, rest], dim=1)
    top = scores.gather(1, tokens).topk(count)
    probabilities = (top.values.float() - log_total[:, None]).exp()
    return probabilities, tokens.gather(1, top.indices)
