"""Matrix products on a CPU in 8 bits: a weight is rounded once, and its input at each product.

PyTorch's dynamic quantization, by the library that it has for the processor (fbgemm, oneDNN,
QNNPACK). It has one scale for all rows of an input, so that what becomes of a row would depend on
the others: each is brought to the same range before. Without VNNI the first two add pairs of
products in 16 bits, and what is larger than that is cut: 255 * 127 twice would be. So the input is
rounded to 7 bits there, the narrow range, of which no pair is too large.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 127
TINY = 1e-30  # a row of zeros is divided by it
# What the libraries look for before they use VNNI; fbgemm for the last alone.
VNNI = "avx512_f", "avx512_bw", "avx512_dq", "avx512_vl", "avx512_vnni"
# Set, a library may leave VNNI alone though the processor has it.
SWITCHES = "FBGEMM_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"


@dataclass(frozen=True, slots=True)
class Int8:
    """A weight of `rows` output channels with a scale each, packed by a library for the processor.

    `narrow`: its inputs are rounded to 7 bits; `range` [1, K]: a row with the ends of the range of
    inputs, as what is rounded to integers from -LARGEST (or half of it) up.
    """

    packed: torch.ScriptObject
    rows: int
    narrow: bool
    range: Tensor


def is_supported() -> bool:
    """Whether PyTorch has it here. NOTE: its tensors of 8 bits are to go in some later version
    (github.com/pytorch/pytorch/issues/184982)."""
    return torch.backends.quantized.engine != "none" and hasattr(torch, "quantize_per_channel")


def needs_narrow_range(
    library: str, features: Mapping[str, object], environment: Mapping[str, str]
) -> bool:
    """Whether a library may add pairs of products in 16 bits, on a processor with these features
    (those of `torch.cpu.get_capabilities`). The narrow range is right everywhere, if less exact:
    the full one is for what surely has no need of it.

    `x86` is fbgemm or oneDNN, as PyTorch chooses for each weight. None but oneDNN knows the VNNI
    of processors without AVX-512, and not in all of its products. QNNPACK adds in 32 bits.
    """
    if library == "qnnpack":
        return False
    has_vnni = all(features.get(name) for name in VNNI)
    return not has_vnni or any(name in environment for name in SWITCHES)


def pack(weight: Tensor) -> Int8:
    """weight [N, K] in 8 bits: the largest magnitude of each row becomes LARGEST."""
    weight = weight.detach().float()
    scales = (weight.abs().amax(dim=1) / LARGEST).clamp_min(1e-12)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # see is_supported
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(rounded, None)
    features: Mapping[str, object] = {}
    if hasattr(torch.cpu, "get_capabilities"):
        features = torch.cpu.get_capabilities()
    # The libraries read these variables by themselves: here is where what they do is known.
    narrow = needs_narrow_range(torch.backends.quantized.engine, features, os.environ)
    return Int8(packed, len(weight), narrow, range_row(weight.shape[1], narrow))


def range_row(inputs: int, narrow: bool) -> Tensor:
    """[1, inputs] with 1 and what is one step farther from 0: so 1 is the largest integer."""
    largest = LARGEST // 2 if narrow else LARGEST
    row = torch.zeros(1, inputs)
    row[0, 0] = 1
    row[0, -1] = -(largest + 1) / largest
    return row


def product(x: Tensor, weight: Int8) -> tuple[Tensor, Tensor]:
    """x [T, K] float32, its rows divided by their largest magnitudes, times the weight [N, K]:
    [T, N]; and those magnitudes [T, 1]. Where a norm comes next, nobody needs them."""
    # NOTE: a tenth of the time of the norm that is the same.
    largest = x.abs().amax(dim=-1, keepdim=True).clamp_min_(TINY)
    ranged = x.new_empty(len(x) + 1, x.shape[1])
    torch.div(x, largest, out=ranged[:-1])
    ranged[-1:] = weight.range
    out = torch.ops.quantized.linear_dynamic(ranged, weight.packed, weight.narrow)
    return out[:-1], largest


def linear(x: Tensor, weight: Tensor | Int8) -> Tensor:
    """x [..., K] times the weight [N, K]: [..., N]. For 8 bits, x is float32."""
    if isinstance(weight, Tensor):
        return F.linear(x, weight)
    out, largest = product(x.flatten(0, -2), weight)
    return out.mul_(largest).view(*x.shape[:-1], weight.rows)
