"""The Muon optimizer for weight matrices (Jordan et al. 2024, kellerjordan.github.io/posts/muon).

Ours rather than torch.optim.Muon because the experts are stacks of matrices, which that one
refuses.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, from the source above


def orthogonalize(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices [..., M, N] with their singular values pushed towards 1 (Newton-Schulz)."""
    a, b, c = _COEFFICIENTS
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.transpose(-2, -1)
    x = x / (x.square().sum(dim=(-2, -1), keepdim=True).sqrt() + 1e-7)
    if torch.is_autocast_enabled(x.device.type):
        x = x.bfloat16()
    for _ in range(iterations):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.transpose(-2, -1)).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized per matrix; scaled so that learning rates compare with AdamW's."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                buffer = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonalize(weight.grad.lerp(buffer, group["momentum"]))
                scale = 0.2 * max(weight.shape[-2:]) ** 0.5  # RMS 0.2, as an AdamW update has
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * scale)
