"""The mean embedding under a distribution over the vocabulary: the self-conditioning signal."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton


def soft_embed(scores: Tensor, weight: Tensor, scale: float) -> Tensor:
    """scale * softmax(scores) @ weight, softmax in float32.

    scores [T, V] float32 or bfloat16, weight [V, D]; returns [T, D] in the dtype of weight. The
    probabilities are rounded to that dtype for the product and never stored.
    """
    if use_triton(scores, weight):
        from .soft_embed_triton import embed

        return embed(scores, weight, scale)
    return reference(scores, weight, scale)


def reference(scores: Tensor, weight: Tensor, scale: float) -> Tensor:
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)
    return (probabilities.to(weight.dtype) @ weight) * scale


def soft_embed_top(probabilities: Tensor, tokens: Tensor, weight: Tensor, scale: float) -> Tensor:
    """scale * sum over n of probabilities[:, n] * weight[tokens[:, n]].

    probabilities [T, n] float32, tokens [T, n] int64, weight [V, D]; returns [T, D] in the dtype
    of weight. With the n most likely tokens (see top_tokens.py) it differs from `soft_embed` by at
    most (1 - their mass) times scale and the longest embedding; nothing is renormalized.
    """
    if use_triton(probabilities, tokens, weight):
        from .soft_embed_triton import embed_top

        return embed_top(probabilities, tokens, weight, scale)
    return reference_top(probabilities, tokens, weight, scale)


def reference_top(probabilities: Tensor, tokens: Tensor, weight: Tensor, scale: float) -> Tensor:
    mean = torch.einsum("tn,tnd->td", probabilities, weight[tokens].float())
    return (mean * scale).to(weight.dtype)
