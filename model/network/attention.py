"""Grouped-query attention with normed queries and keys, over a prefix and the new tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...kernels.canvas_attention import canvas_attention
from .config import FULL, ModelConfig
from .layers import RMSNorm, rotate


class Attention(nn.Module):
    """softmax(q k) v without 1/sqrt(K): the weights of q_norm and k_norm set the temperature.

    In full layers the values come from the key projection, before its norm and rotation.
    """

    def __init__(self, config: ModelConfig, layer_type: str) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.head_size = config.head_size(layer_type)
        heads, kv_heads = config.num_attention_heads, config.kv_heads(layer_type)
        self.q_proj = nn.Linear(width, heads * self.head_size, bias=False)
        self.k_proj = nn.Linear(width, kv_heads * self.head_size, bias=False)
        self.v_proj = (
            None if layer_type == FULL else nn.Linear(width, kv_heads * self.head_size, bias=False)
        )
        self.o_proj = nn.Linear(heads * self.head_size, width, bias=False)
        self.q_norm = RMSNorm(self.head_size, eps)
        self.k_norm = RMSNorm(self.head_size, eps)
        self.v_norm = RMSNorm(self.head_size, eps, weighted=False)

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        prefix: tuple[Tensor, Tensor] | None,
        mask: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, N, D], prefix keys and values [B, S, G, K], mask [B, N, S + N] bool.

        Returns the output [B, N, D] and the keys and values [B, S + N, G, K] it attended to.
        """
        heads = (*x.shape[:2], -1, self.head_size)
        q = rotate(self.q_norm(self.q_proj(x).view(heads)), angles)  # [B, N, H, K]
        k = self.k_proj(x).view(heads)  # [B, N, G, K]
        v = k if self.v_proj is None else self.v_proj(x).view(heads)
        k, v = rotate(self.k_norm(k), angles), self.v_norm(v)
        if prefix is not None:
            k, v = torch.cat([prefix[0], k], dim=1), torch.cat([prefix[1], v], dim=1)
        out = canvas_attention(q, k, v, mask)  # [B, N, H, K]
        return self.o_proj(out.flatten(2)), (k, v)
