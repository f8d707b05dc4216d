"""Experts of the mixture: a gated MLP per expert over the tokens that were routed to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.compiler.disable  # the compiler cannot lower grouped_mm with dynamic shapes on a CPU
def moe_ffn(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Sum over each token's experts of weight * down(gelu_tanh(gate x) * (up x)).

    x [T, D], weights [T, A], experts [T, A] int64, gate_up [E, 2F, D] (gate first),
    down [E, D, F]; returns [T, D].

    1. Sort the T*A visits by expert, so that each expert's tokens are contiguous.
    2. Two grouped matrix products with the gated activation between them.
    3. Weigh, and add the visits of one token in a fixed order (no scatter-add: deterministic).
    """
    tokens, active = experts.shape
    order = experts.flatten().argsort(stable=True)  # [T*A] visit ids, grouped by expert
    counts = torch.bincount(experts.flatten(), minlength=gate_up.shape[0])  # [E]
    ends = counts.cumsum(0).to(torch.int32)  # [E]
    grouped = x[order // active]  # [T*A, D]
    gate, up = F.grouped_mm(grouped, gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    hidden = F.gelu(gate, approximate="tanh") * up  # [T*A, F]
    visits = F.grouped_mm(hidden, down.transpose(1, 2), offs=ends)  # [T*A, D]
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(order.numel(), device=order.device)
    visits = visits[inverse].view(tokens, active, -1)  # [T, A, D]
    return torch.einsum("tad,ta->td", visits, weights)
