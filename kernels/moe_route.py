"""Router of the mixture of experts: which experts a token visits, and with which weight."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton


def moe_route(
    scores: Tensor, per_expert_scale: Tensor, active_experts: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the `active_experts` best experts of every token.

    scores            [T, E]  router logits
    per_expert_scale  [E]
    returns           weights [T, A] in the dtype of scores, experts [T, A] int64,
                      probabilities [T, E] float32 (for the balance loss in training)

    1. Softmax over all experts, in float32: bfloat16 changes the top-k.
    2. Keep the top A, renormalized to sum 1.
    3. Multiply by the expert's own scale.
    Of experts with equal scores, the kernel takes the first; the reference leaves that open.
    """
    if use_triton(scores, per_expert_scale):
        from .moe_route_triton import route

        return route(scores, per_expert_scale, active_experts)
    return reference(scores, per_expert_scale, active_experts)


def reference(
    scores: Tensor, per_expert_scale: Tensor, active_experts: int
) -> tuple[Tensor, Tensor, Tensor]:
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)  # [T, E]
    weights, experts = probabilities.topk(active_experts, dim=-1)  # [T, A]
    weights = weights / weights.sum(dim=-1, keepdim=True)
    weights = weights * per_expert_scale[experts]
    return weights.to(scores.dtype), experts, probabilities
