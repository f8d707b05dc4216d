"""The layers of `flat_layers.py` for a CPU, with their weights in 8 bits (kernels/int8.py).

A small model spends its time between its products: so here are as few operations as there can be.
The gains of norms stand in the weights that they come before, projections of the same input are one
product, the scale of a row is left out where a norm would take it away, and every token passes
through every expert, with a weight of 0 where it is not routed: where experts are few and small
that is quicker than sorting the tokens.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.int8 import pack, product
from ...kernels.qkv_norm_rope import Heads
from ..network.config import FULL, ModelConfig
from ..network.denoiser import Layer
from ..network.layers import RMSNorm


class Int8Layer:
    """As FlatLayer is used. The router stays in float32: rounding would change experts."""

    def __init__(self, layer: Layer, config: ModelConfig) -> None:
        attention, experts, router = layer.self_attn, layer.experts, layer.router
        self.kind, self._eps = layer.layer_type, torch.tensor(config.rms_norm_eps)
        self._experts, self._active = config.num_experts, config.top_k_experts
        self._dense = config.intermediate_size
        self.heads = Heads(
            config.num_attention_heads,
            config.kv_heads(self.kind),
            config.head_size(self.kind),
            values_from_keys=self.kind == FULL,
        )
        values = attention.v_proj or attention.k_proj
        projections = (attention.q_proj, attention.k_proj, values)
        qkv = torch.cat([projection.weight for projection in projections])
        self._qkv = pack(qkv * _gain(layer.input_layernorm))
        gains = (
            _gain(attention.q_norm).expand(self.heads.queries, -1),
            _gain(attention.k_norm).expand(self.heads.groups, -1),
        )
        self._head_gains = torch.cat(gains)  # [H + G, K]
        half = self.heads.size // 2
        self._signs = torch.ones(self.heads.size)
        self._signs[:half] = -1
        self._out = pack(attention.o_proj.weight)
        self._attention_gain = _gain(layer.post_attention_layernorm)
        for_dense = _gain(layer.pre_feedforward_layernorm)
        for_experts = _gain(layer.pre_feedforward_layernorm_2)
        gates, ups = experts.gate_up_proj.chunk(2, dim=1)  # [E, F, D]
        self._gate_up = pack(  # [2 (I + E F), D]
            torch.cat(
                [
                    layer.mlp.gate_proj.weight * for_dense,
                    gates.flatten(0, 1) * for_experts,
                    layer.mlp.up_proj.weight * for_dense,
                    ups.flatten(0, 1) * for_experts,
                ]
            )
        )
        self._dense_down = pack(layer.mlp.down_proj.weight)
        self._down = pack(experts.down_proj.transpose(0, 1).flatten(1))  # [D, E F]
        self._router = router.proj.weight * router.scale * router.root_width
        self._per_expert_scale = router.per_expert_scale
        self._dense_gain = _gain(layer.post_feedforward_layernorm_1)
        self._experts_gain = _gain(layer.post_feedforward_layernorm_2)
        self._gain = _gain(layer.post_feedforward_layernorm)
        self.scalars = torch.cat([layer.layer_scalar, layer.encoder_layer_scalar])

    def before_attention(
        self, x: Tensor, angles: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads, (cosine, sine) = self.heads, angles
        turning = heads.queries + heads.groups
        qkv, _ = product(self._norm(x), self._qkv)
        normed = self._norm(qkv.view(len(x), turning + heads.groups, heads.size))
        straight = normed[:, :turning] * self._head_gains
        across = straight.roll(heads.size // 2, dims=-1)
        turned = (straight * cosine[:, None]).addcmul_(across, (sine * self._signs)[:, None])
        return turned[:, : heads.queries], turned[:, heads.queries :], normed[:, turning:]

    def after_attention(self, x: Tensor, attended: Tensor, scalars: Tensor) -> Tensor:
        update, _ = product(attended.flatten(1), self._out)
        x = torch.addcmul(x, self._norm(update), self._attention_gain)
        normed = self._norm(x)
        gate_up, largest = product(normed, self._gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        hidden = F.gelu(gate * largest, approximate="tanh").mul_(up)  # [T, I + E F]
        # Softmax over the best alone is softmax over all, renormalized to sum 1.
        scores, best = F.linear(normed, self._router).topk(self._active, dim=-1)
        weights = torch.softmax(scores, dim=-1).mul_(self._per_expert_scale[best])
        share = x.new_zeros(len(x), self._experts).scatter_(1, best, weights)
        visits = hidden[:, self._dense :].view(len(x), self._experts, -1) * share[:, :, None]
        dense, _ = product(hidden[:, : self._dense], self._dense_down)
        sparse, _ = product(visits.flatten(1), self._down)
        both = (self._norm(dense) * self._dense_gain).addcmul_(
            self._norm(sparse), self._experts_gain
        )
        return torch.addcmul(x, self._norm(both), self._gain).mul_(scalars[:, None])

    def _norm(self, x: Tensor) -> Tensor:
        """RMS norm, a third of the time of torch's. NOTE: epsilon stands beside the root."""
        length = cast("Tensor", torch.linalg.vector_norm(x, dim=-1, keepdim=True))
        return x / torch.add(self._eps, length, alpha=x.shape[-1] ** -0.5)


def _gain(norm: RMSNorm) -> Tensor:
    return cast("Tensor", norm.weight)
