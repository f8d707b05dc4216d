"""The model: a causal encoder that writes the KV cache and a canvas decoder that reads it.

Both are the same layers. They differ in the mask, in the layer scalars and in the input of the
decoder, where self-conditioning adds what the previous denoising step believed.
DiffusionGemma (arXiv 2608.00146); the shapes are in `config.py`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .attention import Attention
from .config import FULL, SLIDING, ModelConfig
from .kv_cache import PADDING, KVCache, canvas_mask, causal_mask, extend
from .layers import GatedMLP, RMSNorm, rotary_angles, rotary_frequencies
from .moe import Experts, Router


class Layer(nn.Module):
    def __init__(self, config: ModelConfig, layer_type: str) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.layer_type = layer_type
        self.self_attn = Attention(config, layer_type)
        self.mlp = GatedMLP(width, config.intermediate_size)
        self.router = Router(config)
        self.experts = Experts(config)
        self.input_layernorm = RMSNorm(width, eps)
        self.post_attention_layernorm = RMSNorm(width, eps)
        self.pre_feedforward_layernorm = RMSNorm(width, eps)
        self.post_feedforward_layernorm = RMSNorm(width, eps)
        self.post_feedforward_layernorm_1 = RMSNorm(width, eps)
        self.post_feedforward_layernorm_2 = RMSNorm(width, eps)
        self.pre_feedforward_layernorm_2 = RMSNorm(width, eps)
        self.layer_scalar: Tensor
        self.encoder_layer_scalar: Tensor
        self.register_buffer("layer_scalar", torch.ones(1))
        self.register_buffer("encoder_layer_scalar", torch.ones(1))
        self.dropout = nn.Dropout(0.0)  # of both branches; set by training
        self.routing: tuple[Tensor, Tensor] | None = None  # read by the balance loss in training

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        prefix: tuple[Tensor, Tensor] | None,
        mask: Tensor,
        scalar: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One layer over x [B, N, D]; see Attention for the rest."""
        attended, kv = self.self_attn(self.input_layernorm(x), angles, prefix, mask)
        x = x + self.dropout(self.post_attention_layernorm(attended))
        dense = self.post_feedforward_layernorm_1(self.mlp(self.pre_feedforward_layernorm(x)))
        flat = x.flatten(0, 1)  # [T, D]
        weights, experts, probabilities = self.router(flat)
        self.routing = (experts, probabilities) if self.training else None
        sparse = self.experts(self.pre_feedforward_layernorm_2(flat), weights, experts)
        sparse = self.post_feedforward_layernorm_2(sparse).view_as(x)
        x = x + self.dropout(self.post_feedforward_layernorm(dense + sparse))
        return x * scalar, kv


class SelfConditioning(nn.Module):
    """Adds a projection of the previous step's expected embedding to the canvas embedding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.pre_norm = RMSNorm(width, eps)
        self.post_norm = RMSNorm(width, eps, weighted=False)
        self.gate_proj = nn.Linear(width, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(width, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, width, bias=False)

    def forward(self, embedded: Tensor, expected: Tensor) -> Tensor:
        """Both [B, C, D]. The weightless norm applies on the first step too (expected = 0)."""
        signal = GatedMLP.forward(cast("GatedMLP", self), self.pre_norm(expected))
        return self.post_norm(embedded + signal)


class Denoiser(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # NOTE: not drawn at random. On the meta device that imports torch's compiler, for 1.5 s.
        embedding = torch.empty(config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding.from_pretrained(embedding, freeze=False)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layer_types)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_conditioning = SelfConditioning(config)
        self.dropout = nn.Dropout(0.0)  # of the embeddings
        self.set_frequencies()

    def set_dropout(self, share: float) -> None:
        """What training drops of the embeddings and of every branch (JMLR 15:1929); 0 at first."""
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = share

    def set_frequencies(self, device: str | None = None) -> None:
        """(Re)compute the rotary frequencies: they are not stored in checkpoints."""
        for kind in (SLIDING, FULL):
            frequencies = rotary_frequencies(self.config, kind).to(device)
            self.register_buffer(f"{kind}_frequencies", frequencies, persistent=False)

    def encode(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        prompt_tokens: Tensor | None = None,
    ) -> tuple[Tensor, KVCache]:
        """Causal pass over new tokens, which continue each row of `cache`.

        tokens [B, N] int64, mask [B, N] bool (False at right padding); returns the normed hidden
        states [B, N, D] and the extended cache. Where the config has `bidirectional_prompt`, the
        new tokens see each other, or the first `prompt_tokens` [B] of them.
        """
        start = 0 if cache is None else cache.lengths[:, None]
        positions = start + torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        if mask is not None:
            positions = positions.masked_fill(~mask, PADDING)
        keys = extend(cache, positions)
        mutual_end = None
        if self.config.bidirectional_prompt:
            mutual_end = positions.amax(dim=1) + 1 if prompt_tokens is None else prompt_tokens
        masks = {
            SLIDING: causal_mask(positions, keys, self.config.sliding_window, mutual_end),
            FULL: causal_mask(positions, keys, None, mutual_end),
        }
        x = self.dropout(self.embed(tokens))
        angles = self._angles(positions, x.dtype)
        written: list[tuple[Tensor, Tensor]] = []
        for i, layer in enumerate(self.layers):
            kind = self.config.layer_types[i]
            prefix = None if cache is None else cache.layers[i]
            scalar = cast("Tensor", layer.encoder_layer_scalar)
            x, kv = layer(x, angles[kind], prefix, masks[kind], scalar)
            written.append(kv)
        return self.norm(x), KVCache(keys, tuple(written))

    def denoise(self, canvas: Tensor, cache: KVCache, expected: Tensor | None = None) -> Tensor:
        """Bidirectional pass over a canvas [B, C] int64; returns logits [B, C, V] float32.

        `expected` [B, C, D] is the mean embedding of the previous step, None on the first one.
        The cache is read, not written.
        """
        return self.logits(self.denoise_hidden(canvas, cache, expected))

    def denoise_hidden(
        self, canvas: Tensor, cache: KVCache, expected: Tensor | None = None
    ) -> Tensor:
        """`denoise` without the head: normed hidden states [B, C, D]."""
        positions = cache.lengths[:, None] + torch.arange(canvas.shape[1], device=canvas.device)
        window = self.config.sliding_window
        masks = {k: canvas_mask(cache, canvas.shape[1], k, window) for k in (SLIDING, FULL)}
        embedded = self.dropout(self.embed(canvas))
        x = self.self_conditioning(
            embedded, torch.zeros_like(embedded) if expected is None else expected
        )
        angles = self._angles(positions, x.dtype)
        for i, layer in enumerate(self.layers):
            kind = self.config.layer_types[i]
            mask = masks[kind].expand(-1, canvas.shape[1], -1)
            x, _ = layer(x, angles[kind], cache.layers[i], mask, layer.layer_scalar)
        return self.norm(x)

    def noise(self, *shape: int, generator: torch.Generator | None = None) -> Tensor:
        """What a canvas holds of which nothing is drawn yet: random tokens, or the mask token."""
        device, mask = self.embed_tokens.weight.device, self.config.mask_token_id
        if mask is not None:
            return torch.full(shape, mask, device=device)
        return torch.randint(self.config.vocab_size, shape, generator=generator, device=device)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings times sqrt(D), the factor rounded to the weight's dtype."""
        return self.embed_tokens(tokens) * self._embedding_scale()

    def mean_embedding(self, probabilities: Tensor) -> Tensor:
        """Mean embedding [B, C, D] under probabilities [B, C, V] float32."""
        weight = self.embed_tokens.weight
        return (probabilities.to(weight.dtype) @ weight) * self._embedding_scale()

    def logits(self, hidden: Tensor) -> Tensor:
        """Soft-capped scores over the vocabulary, float32, from normed hidden states [..., D]."""
        cap = self.config.final_logit_softcapping
        return cap * torch.tanh((hidden @ self.embed_tokens.weight.T).float() / cap)

    def _embedding_scale(self) -> Tensor:
        weight = self.embed_tokens.weight
        return torch.tensor(self.config.hidden_size**0.5, dtype=weight.dtype, device=weight.device)

    def _angles(self, positions: Tensor, dtype: torch.dtype) -> dict[str, tuple[Tensor, Tensor]]:
        positions = positions.clamp_min(0)
        return {
            kind: rotary_angles(self.get_buffer(f"{kind}_frequencies"), positions, dtype)
            for kind in (SLIDING, FULL)
        }
