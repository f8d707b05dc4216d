"""Cross-entropy of the soft-capped output head without ever holding all the scores.

A batch of 3,000 positions times 6,144 tokens is 74 MB in float32, and the plain computation makes
eight such arrays. Here a chunk of rows stays in the processor's cache from its scores to its
gradients (the idea of the Liger kernels, arXiv 2410.10989, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

CHUNK_ROWS = 128


_ToSlope = Callable[[Tensor, slice], tuple[Tensor, Tensor]]


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, hidden: Tensor, weight: Tensor, to_slope: _ToSlope
    ) -> Tensor:
        dtype = _head_dtype(hidden)
        hidden, head = hidden.to(dtype), weight.to(dtype)
        rows = hidden.shape[0]
        weight_gradient = torch.zeros_like(weight)
        hidden_gradient = torch.empty_like(hidden)
        loss = torch.zeros((), device=hidden.device)
        for start in range(0, rows, CHUNK_ROWS):
            part = slice(start, min(start + CHUNK_ROWS, rows))
            chunk_loss, slope = to_slope(hidden[part] @ head.T, part)
            loss += chunk_loss
            slope = slope.to(dtype)
            hidden_gradient[part] = slope @ head
            weight_gradient += slope.T @ hidden[part]
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden_gradient, weight_gradient = cast("tuple[Tensor, Tensor]", ctx.saved_tensors)
        return hidden_gradient * gradient, weight_gradient * gradient, None


def scores_to_slope(
    scores: Tensor, targets: Tensor, weights: Tensor, cap: float
) -> tuple[Tensor, Tensor]:
    """Weighted loss of a chunk, and its derivative by the raw scores [rows, V].

    NOTE: capped scores are at most `cap` = 30, so exp() needs no maximum subtracted.
    """
    bent = torch.tanh(scores.float() / cap)
    powers = torch.exp(bent * cap)
    total = powers.sum(dim=-1, keepdim=True)
    losses = total.log() - cap * bent.gather(1, targets)
    slope = powers / total
    slope = slope.scatter_add(1, targets, -torch.ones_like(total))
    return (losses * weights).sum(), slope * (1 - bent * bent) * weights


def scores_to_likeness(
    scores: Tensor, taught: Tensor, weights: Tensor, cap: float
) -> tuple[Tensor, Tensor]:
    """The same against what the teacher's raw scores [rows, V] say."""
    bent = torch.tanh(scores.float() / cap)
    powers = torch.exp(bent * cap)
    total = powers.sum(dim=-1, keepdim=True)
    expected = torch.exp(torch.tanh(taught.float() / cap) * cap)
    expected = expected / expected.sum(dim=-1, keepdim=True)
    losses = total.log() - cap * (expected * bent).sum(dim=-1, keepdim=True)
    slope = powers / total - expected
    return (losses * weights).sum(), slope * (1 - bent * bent) * weights


def head_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor, cap: float
) -> Tensor:
    """sum(weights * cross-entropy) of cap * tanh(hidden weight^T / cap) against `targets`.

    hidden [N, D], weight [V, D], targets [N] int64, weights [N] float32; a scalar float32.
    The gradient is computed in the forward pass, so there is no second derivative.
    """

    def to_slope(scores: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        return scores_to_slope(scores, targets[part, None], weights[part, None], cap)

    return cast("Tensor", _HeadLoss.apply(hidden, weight, to_slope))


def head_likeness(
    hidden: Tensor, weight: Tensor, teacher: Tensor, weights: Tensor, cap: float
) -> Tensor:
    """`head_loss` against the probabilities that the head gives for `teacher` [N, D], which gets no
    gradient: distillation (arXiv 1503.02531) at a temperature of 1."""
    dtype = _head_dtype(hidden)
    taught, head = teacher.detach().to(dtype), weight.detach().to(dtype)

    def to_slope(scores: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        return scores_to_likeness(scores, taught[part] @ head.T, weights[part, None], cap)

    return cast("Tensor", _HeadLoss.apply(hidden, weight, to_slope))


def _head_dtype(hidden: Tensor) -> torch.dtype:
    return torch.bfloat16 if torch.is_autocast_enabled(hidden.device.type) else hidden.dtype


def head_belief(
    hidden: Tensor, weight: Tensor, cap: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """What the head believes at a temperature: mean embedding [N, D] and arg-max token [N].

    hidden [N, D], weight [V, D]. The mean is of the rows of `weight`, unscaled. No gradient.
    """
    dtype = _head_dtype(hidden)
    head = weight.detach().to(dtype)
    means: list[Tensor] = []
    best: list[Tensor] = []
    chunks = cast("tuple[Tensor, ...]", hidden.detach().to(dtype).split(CHUNK_ROWS))
    for chunk in chunks:
        scores = torch.tanh((chunk @ head.T).float() / cap)
        best.append(scores.argmax(dim=-1))
        means.append(torch.softmax(scores * (cap / temperature), dim=-1).to(dtype) @ head)
    return torch.cat(means), torch.cat(best)
