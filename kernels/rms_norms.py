"""RMS norms of one input under several gains: its mean square is computed once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton

MOST = 3  # the feed-forward half of a layer norms its residual for the MLP, router and experts


def rms_norms(x: Tensor, weights: tuple[Tensor, ...], eps: float) -> tuple[Tensor, ...]:
    """RMSNorm(x) * weight for each weight, in float32, rounded to the dtype of x at the end.

    x [T, D], one to MOST weights [D]; returns as many tensors [T, D].
    """
    if not 1 <= len(weights) <= MOST:
        raise ValueError(f"rms_norms takes 1 to {MOST} weights, got {len(weights)}")
    if use_triton(x, *weights):
        from .rms_norms_triton import norms

        return norms(x, weights, eps)
    return reference(x, weights, eps)


def reference(x: Tensor, weights: tuple[Tensor, ...], eps: float) -> tuple[Tensor, ...]:
    normed = F.rms_norm(x.float(), x.shape[-1:], eps=eps)
    return tuple((normed * weight.float()).to(x.dtype) for weight in weights)
