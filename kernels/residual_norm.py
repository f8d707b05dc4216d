"""The ends of a layer's two halves: norms of what was computed, added to the residual."""

from __future__ import annotations

from torch import Tensor

from .dispatch import use_triton
from .rms_norms import reference as reference_norms


def add_normed(x: Tensor, update: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x + RMSNorm(update) * weight: the end of attention. x, update [T, D], weight [D]."""
    if use_triton(x, update, weight):
        from .residual_norm_triton import add

        return add(x, update, weight, eps)
    return x + _norm(update, weight, eps)


def combine_normed(
    x: Tensor,
    dense: Tensor,
    visits: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalars: Tensor,
    eps: float,
) -> Tensor:
    """(x + norm(norm_1(dense) + norm_2(sum of the visits))) * scalar: the end of a layer.

    x, dense [T, D], visits [T, A, D] the weighted outputs of a token's experts, weights [D] of
    norm_1, norm_2 and norm, scalars [T] (prompt and canvas rows have different ones).
    """
    if use_triton(x, dense, visits, scalars, *weights):
        from .residual_norm_triton import combine

        return combine(x, dense, visits, weights, scalars, eps)
    return reference_combine(x, dense, visits, weights, scalars, eps)


def reference_combine(
    x: Tensor,
    dense: Tensor,
    visits: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalars: Tensor,
    eps: float,
) -> Tensor:
    sparse = visits.float().sum(dim=1).to(x.dtype)
    both = _norm(dense, weights[0], eps) + _norm(sparse, weights[1], eps)
    return (x + _norm(both, weights[2], eps)) * scalars[:, None]


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return reference_norms(x, (weight,), eps)[0]
