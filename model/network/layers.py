"""The small parts: RMS norm, rotary position embedding, gated MLP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import FULL, ModelConfig


def rms_normalize(x: Tensor, eps: float) -> Tensor:
    """x [..., D] divided by its root mean square, computed and returned in float32.

    NOTE: pow(-0.5), not 1/sqrt: the two differ in the last bit, and tokens are compared exactly.
    """
    x = x.float()
    return x * torch.pow(x.pow(2).mean(dim=-1, keepdim=True) + eps, -0.5)


class RMSNorm(nn.Module):
    """RMS norm; the weight [D] multiplies as it is (not 1 + weight). Weightless if asked."""

    def __init__(self, width: int, eps: float, weighted: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width)) if weighted else None

    def forward(self, x: Tensor) -> Tensor:
        normalized = rms_normalize(x, self.eps)
        if self.weight is not None:
            normalized = normalized * self.weight.float()
        return normalized.to(x.dtype)


class GatedMLP(nn.Module):
    """down(gelu_tanh(gate x) * (up x)), without biases."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))


def rotary_frequencies(config: ModelConfig, layer_type: str) -> Tensor:
    """Inverse frequencies [K/2] float32 of a layer type, on the CPU.

    Full layers are "proportional": only the first quarter of the pairs turns, the exponent still
    counts over the whole head, the other pairs have frequency 0.
    """
    head_size = config.head_size(layer_type)
    full = layer_type == FULL
    theta = config.full_rope_theta if full else config.sliding_rope_theta
    factor = config.full_partial_rotary_factor if full else 1.0
    turning = int(factor * head_size / 2)
    exponents = torch.arange(0, 2 * turning, 2, dtype=torch.float32, device="cpu") / head_size
    still = torch.zeros(head_size // 2 - turning, device="cpu")
    return torch.cat([1.0 / theta**exponents, still])


def rotary_angles(
    frequencies: Tensor, positions: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine [B, N, 1, K] for positions [B, N]; float32 first, then cast to `dtype`."""
    angles = positions[:, :, None].float() * frequencies  # [B, N, K/2]
    angles = torch.cat([angles, angles], dim=-1)[:, :, None]  # [B, N, 1, K]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Apply the rotation to heads x [B, N, heads, K], first half against second half."""
    cosine, sine = angles
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine
