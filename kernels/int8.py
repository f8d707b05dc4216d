"""Matrix products on a CPU in 8 bits: a weight is rounded once, and its input at each product.

PyTorch's dynamic quantization, by the library that it has for the processor (fbgemm, QNNPACK).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 127


@dataclass(frozen=True, slots=True)
class Int8:
    """A weight of `rows` output channels with a scale each, packed for the processor."""

    packed: torch.ScriptObject
    rows: int


def is_supported() -> bool:
    """Whether PyTorch has it here. NOTE: its tensors of 8 bits are to go in some later version
    (github.com/pytorch/pytorch/issues/184982)."""
    return torch.backends.quantized.engine != "none" and hasattr(torch, "quantize_per_channel")


def pack(weight: Tensor) -> Int8:
    """weight [N, K] in 8 bits: the largest magnitude of each row becomes LARGEST."""
    weight = weight.detach().float()
    scales = (weight.abs().amax(dim=1) / LARGEST).clamp_min(1e-12)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # see is_supported
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        return Int8(torch.ops.quantized.linear_prepack(rounded, None), len(weight))


def linear(x: Tensor, weight: Tensor | Int8) -> Tensor:
    """x [..., K] times the weight [N, K]: [..., N]. For 8 bits, x is float32; all its rows share
    one scale."""
    if isinstance(weight, Tensor):
        return F.linear(x, weight)
    return torch.ops.quantized.linear_dynamic(x, weight.packed, _NARROW)


def _adds_pairs_in_16_bits() -> bool:
    """Whether the sums of two products need the room that 7 bits of the input leave: on processors
    without VNNI all libraries but QNNPACK add so."""
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else None
    has_vnni = found is not None and bool(found.get("avx512_vnni"))
    return torch.backends.quantized.engine != "qnnpack" and not has_vnni


_NARROW = _adds_pairs_in_16_bits()
