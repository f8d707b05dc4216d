"""The layers over a flat batch: prompts and canvases of any length, one behind the other.

The same arithmetic as `denoiser.py`, without padding, with prompts and canvases in one pass: a
canvas needs only the keys that its prompt has in the same layer. Projections of the same input are
one product, and every operation of `kernels/` is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.fp8 import Quantized, quantize
from ...kernels.moe_ffn import moe_visits
from ...kernels.moe_ffn_fp8 import moe_visits_fp8
from ...kernels.moe_route import moe_route
from ...kernels.qkv_norm_rope import Heads, qkv_norm_rope
from ...kernels.ragged_attention import Sequences, ragged_attention
from ...kernels.residual_norm import add_normed, combine_normed
from ...kernels.rms_norms import rms_norms
from ..network.config import FULL, SLIDING, ModelConfig
from ..network.denoiser import Denoiser, Layer
from ..network.layers import rotary_angles
from .arena import KVArena
from .int8_layers import Int8Layer


@dataclass(frozen=True, slots=True)
class FlatLayer:
    """A layer without its attention, over tokens x [T, D] of whichever sequences.

    Its weights as they are multiplied: qkv [heads.width, D], dense_gate_up [2I, D], router [E, D];
    gains [D] of the norms; `scalars` [2] of canvas and prompt tokens.
    """

    kind: str
    eps: float
    active_experts: int
    heads: Heads
    input_gain: Tensor
    qkv: Tensor
    q_gain: Tensor
    k_gain: Tensor
    out: Tensor
    attention_gain: Tensor
    feedforward_gains: tuple[Tensor, Tensor, Tensor]  # of the dense MLP, the experts, the router
    dense_gate_up: Tensor
    dense_down: Tensor
    router: Tensor
    per_expert_scale: Tensor
    gate_up: Tensor | Quantized
    down: Tensor | Quantized
    closing_gains: tuple[Tensor, Tensor, Tensor]  # of the dense MLP, the experts, their sum
    scalars: Tensor

    def before_attention(
        self, x: Tensor, angles: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """q [T, H, K], k and v [T, G, K] of the tokens, turned by the angles [T, K]."""
        (normed,) = rms_norms(x, (self.input_gain,), self.eps)
        qkv = F.linear(normed, self.qkv)
        return qkv_norm_rope(qkv, self.q_gain, self.k_gain, angles, self.heads, self.eps)

    def after_attention(self, x: Tensor, attended: Tensor, scalars: Tensor) -> Tensor:
        """The layer's output [T, D], from its input x, what attention gave [T, H, K], and the
        scalar [T] of each token."""
        eps = self.eps
        x = add_normed(x, F.linear(attended.flatten(1), self.out), self.attention_gain, eps)
        for_dense, for_experts, for_router = rms_norms(x, self.feedforward_gains, eps)
        gate, up = F.linear(for_dense, self.dense_gate_up).chunk(2, dim=-1)
        dense = F.linear(F.gelu(gate, approximate="tanh") * up, self.dense_down)
        weights, experts, _ = moe_route(
            F.linear(for_router, self.router), self.per_expert_scale, self.active_experts
        )
        if isinstance(self.gate_up, Quantized):
            down = cast("Quantized", self.down)
            visits = moe_visits_fp8(for_experts, weights, experts, self.gate_up, down)
        else:
            down = cast("Tensor", self.down)
            visits = moe_visits(for_experts, weights, experts, self.gate_up, down)
        return combine_normed(x, dense, visits, self.closing_gains, scalars, eps)


@dataclass(frozen=True, slots=True)
class FlatBatch:
    """T tokens: those of C canvases first, then those of prompts.

    positions   [T] int64, from the start of each prompt
    canvases    how many of the tokens are of canvases
    slots       [T - canvases] int64: where in the arena the prompt tokens put their keys
    sequences   all of them; `canvas_sequences` only the canvases, or None where all tokens are
                to leave the last layer
    kinds       [T] int64: 0 canvas, 1 prompt
    """

    positions: Tensor
    canvases: int
    slots: Tensor
    sequences: Sequences
    canvas_sequences: Sequences | None
    kinds: Tensor


class FlatLayers:
    """All layers of a model. With `fp8` the experts' weights are rounded to 8 bits, with `int8`
    (on a CPU) those of all products but the router's."""

    def __init__(
        self, model: Denoiser, max_positions: int, *, fp8: bool = False, int8: bool = False
    ) -> None:
        self.config = model.config
        self._layers = flat_layers(model, fp8=fp8, int8=int8)
        self._angles = angle_tables(model, max_positions)

    def forward(self, x: Tensor, batch: FlatBatch, arena: KVArena) -> Tensor:
        """x [T, D] after the embedding; returns those of the canvases [canvases, D], or of all
        tokens without `canvas_sequences`, not normed.

        The keys of prompt tokens are written into the arena before a canvas reads them. In the last
        layer nothing else is computed for prompts that nobody reads.
        """
        angles = {kind: self._turned(kind, batch) for kind in self._angles}
        for index, layer in enumerate(self._layers):
            is_last = index == len(self._layers) - 1
            x = self._layer(x, layer, angles[layer.kind], batch, arena.layer(index), is_last)
        return x

    def one(self, index: int, x: Tensor, batch: FlatBatch, arena: KVArena) -> Tensor:
        """One layer alone, for benchmarks; x as in `forward`, returns [T, D]."""
        layer = self._layers[index]
        angles = self._turned(layer.kind, batch)
        return self._layer(x, layer, angles, batch, arena.layer(index), is_last=False)

    def _turned(self, kind: str, batch: FlatBatch) -> tuple[Tensor, Tensor]:
        cosine, sine = self._angles[kind]
        return cosine[batch.positions], sine[batch.positions]

    def _layer(
        self,
        x: Tensor,
        layer: FlatLayer | Int8Layer,
        angles: tuple[Tensor, Tensor],
        batch: FlatBatch,
        arena: tuple[Tensor, Tensor],
        is_last: bool,
    ) -> Tensor:
        q, k, v = layer.before_attention(x, angles)
        if len(batch.slots):
            arena[0].index_copy_(0, batch.slots, k[batch.canvases :])
            arena[1].index_copy_(0, batch.slots, v[batch.canvases :])
        sequences, kinds = batch.sequences, batch.kinds
        if is_last and batch.canvas_sequences is not None:
            x, q, k, v, kinds = (part[: batch.canvases] for part in (x, q, k, v, kinds))
            sequences = batch.canvas_sequences
        window = self.config.sliding_window if layer.kind == SLIDING else None
        attended = ragged_attention(q, k, v, arena, sequences, window)
        return layer.after_attention(x, attended, layer.scalars[kinds])


def angle_tables(model: Denoiser, max_positions: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Cosines and sines [max_positions, K] of each kind of layer."""
    weight = model.embed_tokens.weight
    positions = torch.arange(max_positions, device=weight.device)[None]
    tables: dict[str, tuple[Tensor, Tensor]] = {}
    for kind in (SLIDING, FULL):
        frequencies = model.get_buffer(f"{kind}_frequencies")
        cosine, sine = rotary_angles(frequencies, positions, weight.dtype)
        tables[kind] = cosine[0, :, 0].contiguous(), sine[0, :, 0].contiguous()
    return tables


def flat_layers(
    model: Denoiser, *, fp8: bool = False, int8: bool = False
) -> Sequence[FlatLayer | Int8Layer]:
    """The layers of a model, with the weights of `FlatLayers`."""
    layers = [cast("Layer", layer) for layer in model.layers]
    if int8:
        return [Int8Layer(layer, model.config) for layer in layers]
    return [_flat(layer, model.config, fp8) for layer in layers]


def _flat(layer: Layer, config: ModelConfig, fp8: bool) -> FlatLayer:
    attention, experts, router = layer.self_attn, layer.experts, layer.router
    projections = [attention.q_proj, attention.k_proj]
    if attention.v_proj is not None:
        projections.append(attention.v_proj)
    kind = layer.layer_type
    return FlatLayer(
        kind=kind,
        eps=config.rms_norm_eps,
        active_experts=config.top_k_experts,
        heads=Heads(
            config.num_attention_heads,
            config.kv_heads(kind),
            config.head_size(kind),
            values_from_keys=kind == FULL,
        ),
        input_gain=_gain(layer.input_layernorm),
        qkv=torch.cat([projection.weight for projection in projections]),
        q_gain=_gain(attention.q_norm),
        k_gain=_gain(attention.k_norm),
        out=attention.o_proj.weight,
        attention_gain=_gain(layer.post_attention_layernorm),
        feedforward_gains=(
            _gain(layer.pre_feedforward_layernorm),
            _gain(layer.pre_feedforward_layernorm_2),
            router.scale * router.root_width,
        ),
        dense_gate_up=torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]),
        dense_down=layer.mlp.down_proj.weight,
        router=router.proj.weight,
        per_expert_scale=router.per_expert_scale,
        gate_up=quantize(experts.gate_up_proj) if fp8 else experts.gate_up_proj,
        down=quantize(experts.down_proj) if fp8 else experts.down_proj,
        closing_gains=(
            _gain(layer.post_feedforward_layernorm_1),
            _gain(layer.post_feedforward_layernorm_2),
            _gain(layer.post_feedforward_layernorm),
        ),
        scalars=torch.cat([layer.layer_scalar, layer.encoder_layer_scalar]),
    )


def _gain(norm: torch.nn.Module) -> Tensor:
    return cast("Tensor", norm.weight)
