"""The least time of a denoising step: what must be read and calculated, at measured rates."""

from __future__ import annotations

from ...kernels.bench.contest import Work
from ...kernels.bench.measure import Ceilings
from ..network.config import FULL, ModelConfig


def layer_work(
    config: ModelConfig, kind: str, tokens: int, *, bytes_per_weight: int, expert_bytes: int
) -> tuple[Work, Work]:
    """Of a layer: what all tokens are multiplied with, and the experts.

    Experts are read if any token visits them, which is E (1 - (1 - A / E)^T) of them for even
    visits; 8-bit experts are not credited with a faster multiplication. Keys are not counted.
    """
    width = config.hidden_size
    heads, groups = config.num_attention_heads, config.kv_heads(kind)
    projections = 2 * heads + groups * (1 if kind == FULL else 2)
    common = width * (config.head_size(kind) * projections + config.num_experts)
    common += 3 * width * config.intermediate_size
    expert = 3 * width * config.moe_intermediate_size
    visited = config.num_experts * (1 - (1 - config.top_k_experts / config.num_experts) ** tokens)
    return (
        Work(common * bytes_per_weight, 2 * common * tokens),
        Work(int(visited * expert * expert_bytes), 2 * config.top_k_experts * expert * tokens),
    )


def step_floor_ms(
    config: ModelConfig,
    ceilings: Ceilings,
    tokens: int,
    *,
    bytes_per_weight: int,
    expert_bytes: int,
) -> float:
    """Of `tokens` canvas tokens with exact self-conditioning, short prompts.

    Each group of weights takes the longer of reading it once and multiplying with it.
    """
    sizes = {"bytes_per_weight": bytes_per_weight, "expert_bytes": expert_bytes}
    parts = [
        work for kind in config.layer_types for work in layer_work(config, kind, tokens, **sizes)
    ]
    conditioning = 3 * config.hidden_size * config.intermediate_size
    vocabulary = 2 * config.vocab_size * config.hidden_size  # scores and mean embedding
    for weights in conditioning, vocabulary:
        parts.append(Work(weights * bytes_per_weight, 2 * weights * tokens))
    seconds = sum(max(w.bytes / ceilings.copy, w.flop / ceilings.product) for w in parts)
    return 1000 * seconds
