"""The experts with 8-bit weights: half the bytes to read, and tokens in 8 bits beside them."""

from __future__ import annotations

import torch
from torch import Tensor

from .dispatch import use_triton
from .fp8 import Quantized, quantize
from .moe_ffn import ordered_visits


def moe_visits_fp8(
    x: Tensor, weights: Tensor, experts: Tensor, gate_up: Quantized, down: Quantized
) -> Tensor:
    """moe_visits (see moe_ffn.py) with gate_up [E, 2F, D] and down [E, D, F] in 8 bits.

    x [T, D], weights [T, A], experts [T, A] int64; returns [T, A, D] in the dtype of x. The
    tokens, and later their hidden values, are quantized row by row on the way: the products are
    of 8-bit numbers, summed in float32, and the scales come after.
    """
    operands = (x, weights, experts, gate_up.values, gate_up.scales, down.values, down.scales)
    if use_triton(*operands):
        from .moe_ffn_triton import visit_experts_fp8

        return visit_experts_fp8(x, weights, experts, gate_up, down)
    order, visits = ordered_visits(
        x,
        weights,
        experts,
        gate_up.widened().to(x.dtype),
        down.widened().to(x.dtype),
        rounded=lambda values: quantize(values).widened().to(x.dtype),
    )
    in_order = torch.empty_like(visits).index_copy(0, order, visits)
    return in_order.view(*experts.shape, x.shape[1])
