"""The mixture of experts: router and experts, both over the raw residual."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...kernels.moe_ffn import moe_ffn
from ...kernels.moe_route import moe_route
from .config import ModelConfig
from .layers import RMSNorm


class Router(nn.Module):
    """NOTE: its input is the residual itself. Feeding it a normed one stops convergence."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.active_experts = config.top_k_experts
        self.root_width = config.hidden_size**-0.5
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps, weighted=False)
        self.proj = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.scale = nn.Parameter(torch.ones(config.hidden_size))
        self.per_expert_scale = nn.Parameter(torch.ones(config.num_experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [T, D] to weights [T, A], experts [T, A] and probabilities [T, E]."""
        scores = self.proj(self.norm(x) * self.scale * self.root_width)  # [T, E]
        return moe_route(scores, self.per_expert_scale, self.active_experts)


class Experts(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        experts, width = config.num_experts, config.hidden_size
        hidden = config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * hidden, width))
        self.down_proj = nn.Parameter(torch.empty(experts, width, hidden))

    def forward(self, x: Tensor, weights: Tensor, experts: Tensor) -> Tensor:
        """x [T, D], weights and experts [T, A]; returns [T, D]."""
        return moe_ffn(x, weights, experts, self.gate_up_proj, self.down_proj)
