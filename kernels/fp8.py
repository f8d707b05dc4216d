"""Rows of 8-bit floats with a scale each: channels of a weight, or tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dispatch import use_triton

FP8 = torch.float8_e4m3fn
LARGEST = 448.0  # of that type


@dataclass(frozen=True, slots=True)
class Quantized:
    """values [..., K] float8_e4m3fn and scales [...] float32, one for each row of K."""

    values: Tensor
    scales: Tensor

    def widened(self) -> Tensor:
        """What the values stand for [..., K], float32."""
        return self.values.float() * self.scales[..., None]


def quantize(x: Tensor) -> Quantized:
    """x [..., K] in 8 bits: the largest magnitude of each row becomes the largest that there is.

    Weights are quantized once, when they are loaded; a row is then an output channel.
    """
    rows = x.reshape(-1, x.shape[-1])
    if use_triton(x):
        from .fp8_triton import quantize_rows

        values, scales = quantize_rows(rows)
    else:
        values, scales = reference(rows)
    return Quantized(values.view(x.shape), scales.view(x.shape[:-1]))


def reference(rows: Tensor) -> tuple[Tensor, Tensor]:
    rows = rows.float()
    scales = rows.abs().amax(dim=-1).clamp_min(1e-12) / LARGEST
    return (rows / scales[:, None]).to(FP8), scales
