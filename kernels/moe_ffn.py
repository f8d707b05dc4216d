"""Experts of the mixture: a gated MLP per expert over the tokens that were routed to it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton


def moe_ffn(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Sum over each token's experts of weight * down(gelu_tanh(gate x) * (up x)).

    x [T, D], weights [T, A], experts [T, A] int64, gate_up [E, 2F, D] (gate first),
    down [E, D, F]; returns [T, D].

    1. Sort the T*A visits by expert, so that each expert's tokens are contiguous.
    2. Two grouped matrix products with the gated activation between them.
    3. Weigh, and add up the visits of a token, by ascending expert.
    The kernel accumulates in float32 and adds the visits by ascending slot.
    """
    if use_triton(x, weights, experts, gate_up, down):
        from .moe_ffn_triton import ffn

        return ffn(x, weights, experts, gate_up, down)
    return reference(x, weights, experts, gate_up, down)


def moe_visits(
    x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """The terms [T, A, D] of the sum that moe_ffn computes, for a caller that adds them itself
    (see residual_norm.py)."""
    if use_triton(x, weights, experts, gate_up, down):
        from .moe_ffn_triton import visit_experts

        return visit_experts(x, weights, experts, gate_up, down)
    order, visits = ordered_visits(x, weights, experts, gate_up, down)
    in_order = torch.empty_like(visits).index_copy(0, order, visits)
    return in_order.view(*experts.shape, x.shape[1])


def reference(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    order, visits = ordered_visits(x, weights, experts, gate_up, down)
    return torch.zeros_like(x).index_add(0, order // experts.shape[1], visits)


def ordered_visits(
    x: Tensor,
    weights: Tensor,
    experts: Tensor,
    gate_up: Tensor,
    down: Tensor,
    rounded: Callable[[Tensor], Tensor] = lambda values: values,
) -> tuple[Tensor, Tensor]:
    """Visit ids [T*A] grouped by expert, and their weighted outputs [T*A, D].

    `rounded` is applied to the rows that enter each product.
    """
    order = experts.flatten().argsort(stable=True)
    tokens = order // experts.shape[1]
    counts = torch.bincount(experts.flatten(), minlength=gate_up.shape[0])  # [E]
    ends = counts.cumsum(0).to(torch.int32)  # [E]
    entering = rounded(x)[tokens]  # [T*A, D]
    gate, up = F.grouped_mm(entering, gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    hidden = rounded(F.gelu(gate, approximate="tanh") * up)  # [T*A, F]
    visits = F.grouped_mm(hidden, down.transpose(1, 2), offs=ends)  # [T*A, D]
    return order, visits * weights.flatten()[order, None]
