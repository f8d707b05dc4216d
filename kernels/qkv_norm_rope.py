"""From the output of the QKV projection to what attention reads: norms and rotation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton


@dataclass(frozen=True, slots=True)
class Heads:
    """queries H, groups G and head size K. With `values_from_keys` there is no value projection:
    the values are the projected keys, before their norm and rotation."""

    queries: int
    groups: int
    size: int
    values_from_keys: bool

    @property
    def width(self) -> int:
        """Columns of the projection."""
        return (self.queries + self.groups * (1 if self.values_from_keys else 2)) * self.size


def qkv_norm_rope(
    qkv: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    heads: Heads,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """q [T, H, K], k and v [T, G, K] from qkv [T, heads.width].

    q_weight, k_weight [K]; angles: the cosine and sine [T, K] of each token's rotation, in the
    dtype of qkv, the second half of each equal to its first.

    1. RMS norm of each head in float32; q and k times their weight, v without one.
    2. q and k turn by the angles, first half against second half.
    """
    if use_triton(qkv, q_weight, k_weight, *angles):
        from .qkv_norm_rope_triton import prepare

        return prepare(qkv, q_weight, k_weight, angles, heads, eps)
    return reference(qkv, q_weight, k_weight, angles, heads, eps)


def reference(
    qkv: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    heads: Heads,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys are turned together: on a CPU, each operation costs its call."""
    split = qkv.view(len(qkv), heads.width // heads.size, heads.size).float()
    normed = F.rms_norm(split, (heads.size,), eps=eps)
    gains = (q_weight.expand(heads.queries, -1), k_weight.expand(heads.groups, -1))
    x = (normed[:, : heads.queries + heads.groups] * torch.cat(gains).float()).to(qkv.dtype)
    first, second = x.chunk(2, dim=-1)
    cosine, sine = (half[:, None, : heads.size // 2] for half in angles)  # [T, 1, K / 2]
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    values = normed[:, -heads.groups :].to(qkv.dtype)
    return turned[:, : heads.queries], turned[:, heads.queries :], values
