"""Experts of the mixture: a gated MLP per expert over the tokens that were routed to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def moe_ffn(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Sum over each token's experts of weight * down(gelu_tanh(gate x) * (up x)).

    x [T, D], weights [T, A], experts [T, A] int64, gate_up [E, 2F, D] (gate first),
    down [E, D, F]; returns [T, D].

    1. Sort the T*A visits by expert, so that each expert's tokens are contiguous.
    2. Two grouped matrix products with the gated activation between them.
    3. Weigh, and add up the visits of a token, by ascending expert.
    """
    active = experts.shape[1]
    order = experts.flatten().argsort(stable=True)  # [T*A] visit ids, grouped by expert
    tokens = order // active
    counts = torch.bincount(experts.flatten(), minlength=gate_up.shape[0])  # [E]
    ends = counts.cumsum(0).to(torch.int32)  # [E]
    gate, up = F.grouped_mm(x[tokens], gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    hidden = F.gelu(gate, approximate="tanh") * up  # [T*A, F]
    visits = F.grouped_mm(hidden, down.transpose(1, 2), offs=ends)  # [T*A, D]
    visits = visits * weights.flatten()[order, None]
    return torch.zeros_like(x).index_add(0, tokens, visits)
