"""The least time of a denoising step: what must be read and calculated, at measured rates."""

from __future__ import annotations

from ...kernels.bench.measure import Ceilings
from ..config import FULL, ModelConfig


def step_floor_ms(
    config: ModelConfig,
    ceilings: Ceilings,
    tokens: int,
    *,
    bytes_per_weight: int,
    expert_bytes: int,
) -> float:
    """Of `tokens` canvas tokens with exact self-conditioning, short prompts.

    Each group of weights takes the longer of reading it once and multiplying with it. Experts are
    read if any token visits them, which is E (1 - (1 - A / E)^T) of them for even visits; 8-bit
    experts are not credited with a faster multiplication.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    attention = 0
    for kind in config.layer_types:
        heads, groups, size = (
            config.num_attention_heads,
            config.kv_heads(kind),
            config.head_size(kind),
        )
        attention += width * size * (2 * heads + groups * (1 if kind == FULL else 2))
    dense = layers * 3 * width * config.intermediate_size + attention
    dense += 3 * width * config.intermediate_size + layers * width * config.num_experts
    expert = 3 * width * config.moe_intermediate_size
    share = 1 - (1 - config.top_k_experts / config.num_experts) ** tokens
    head = config.vocab_size * width
    parts = (
        (dense * bytes_per_weight, 2 * dense * tokens),
        (
            layers * config.num_experts * share * expert * expert_bytes,
            2 * layers * config.top_k_experts * expert * tokens,
        ),
        (head * bytes_per_weight, 2 * head * tokens),  # scores
        (head * bytes_per_weight, 2 * head * tokens),  # mean embedding
    )
    seconds = sum(max(read / ceilings.copy, flop / ceilings.product) for read, flop in parts)
    return 1000 * seconds
