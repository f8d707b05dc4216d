"""Experts of the mixture: a gated MLP per expert over the tokens that were routed to it."""

from __future__ import annotations

from typing import Any, cast

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
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(order.numel(), device=order.device)
    counts = torch.bincount(experts.flatten(), minlength=gate_up.shape[0])  # [E]
    ends = counts.cumsum(0).to(torch.int32)  # [E]
    visits = x[:, None].expand(-1, active, -1).flatten(0, 1)  # [T*A, D]
    grouped = _permute(visits, order, inverse)
    gate, up = F.grouped_mm(grouped, gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    hidden = F.gelu(gate, approximate="tanh") * up  # [T*A, F]
    grouped = F.grouped_mm(hidden, down.transpose(1, 2), offs=ends)  # [T*A, D]
    visits = _permute(grouped, inverse, order).view(tokens, active, -1)  # [T, A, D]
    return (visits * weights[:, :, None]).sum(dim=1)


class _Permute(torch.autograd.Function):
    """Rows in another order. Its derivative is the inverse order: autograd would add them up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inverse)
        return rows[order]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (inverse,) = ctx.saved_tensors
        return gradient[inverse], None, None


def _permute(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    return cast("Tensor", _Permute.apply(rows, order, inverse))
