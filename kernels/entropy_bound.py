"""Acceptance rule of the sampler: the positions whose joint uncertainty stays under a bound."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton


def entropy_bound(entropy: Tensor, bound: float) -> Tensor:
    """Which positions [B, C] bool to accept, given their entropies [B, C] float32 in nats.

    In ascending order of entropy, position k is accepted while the sum of those before it is at
    most `bound`: an upper bound of the mutual information that is lost by sampling them
    independently (arXiv 2505.24857). The most certain position is always accepted. Positions of
    infinite entropy are never accepted.
    """
    if use_triton(entropy):
        from .entropy_bound_triton import accept

        return accept(entropy, bound)
    return reference(entropy, bound)


def reference(entropy: Tensor, bound: float) -> Tensor:
    ascending, order = entropy.sort(dim=-1)
    before = ascending.cumsum(dim=-1) - ascending
    # inf - inf is nan, which compares false: an infinite position is not accepted.
    accepted = (before <= bound) & ascending.isfinite()
    return torch.zeros_like(accepted).scatter(-1, order, accepted)
