"""How much of each draft a verifier accepts: the beginning that it would have written itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dispatch import use_triton


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of each of B sequences; 0, -1 and 0 of one without tokens.

    accepted  [B] int32    how many of its drafted tokens
    own       [B] int64    the verifier's token behind them
    log_p     [B] float32  of all these together, which chooses among several drafts
    """

    accepted: Tensor
    own: Tensor
    log_p: Tensor


def accept_prefix(tokens: Tensor, best: Tensor, log_p: Tensor, starts: Tensor) -> Verdict:
    """Compare drafts with what a causal pass over them would write.

    tokens [T] int64: of B sequences one behind the other, a committed token and then a draft;
    starts [B + 1] int32: sequence b has the tokens starts[b] to starts[b + 1], all together T.
    best [T] int64 is what the verifier writes behind each token, log_p [T] float32 how likely that
    is. Speculative decoding without sampling (arXiv 2211.17192): each token up to the verifier's
    own is what it writes when it sees the ones before, so it is what it would have written alone.

    NOTE: an end mark is a token like others; the caller cuts a draft behind its first one.
    """
    if use_triton(tokens, best, log_p, starts):
        from .accept_prefix_triton import accept

        return Verdict(*accept(tokens, best, log_p, starts))
    return reference(tokens, best, log_p, starts)


def reference(tokens: Tensor, best: Tensor, log_p: Tensor, starts: Tensor) -> Verdict:
    first, end = starts[:-1].long(), starts[1:].long()
    nth = torch.arange(len(tokens), device=tokens.device)
    sequence = torch.bucketize(nth, end, right=True)  # [T]
    within = nth - first[sequence]  # [T]
    agrees = (tokens.roll(-1) == best) & (nth + 1 < end[sequence])  # [T]
    accepted = (end - first - 1).clamp_min(0)  # [B]
    accepted = accepted.scatter_reduce(0, sequence, within.masked_fill(agrees, len(tokens)), "amin")
    # Of a sequence without tokens, the place behind all of them, which holds -1.
    at = (first + accepted).where(first < end, len(tokens))
    own = torch.cat([best, best.new_full((1,), -1)])[at]
    committed = log_p.where(within <= accepted[sequence], 0.0)
    total = log_p.new_zeros(len(first)).index_add(0, sequence, committed)
    return Verdict(accepted.to(torch.int32), own, total)
