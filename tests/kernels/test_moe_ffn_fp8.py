from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.fp8 import quantize
from surtitle.kernels.moe_ffn import moe_visits
from surtitle.kernels.moe_ffn_fp8 import moe_visits_fp8


def operands(tokens: int, count: int, width: int = 48, hidden: int = 32) -> tuple[Tensor, ...]:
    experts = torch.rand(tokens, count).argsort(dim=-1)[:, :2]
    gate_up = torch.randn(count, 2 * hidden, width) * width**-0.5
    down = torch.randn(count, width, hidden) * hidden**-0.5
    return torch.randn(tokens, width), torch.rand(tokens, 2) + 0.1, experts, gate_up, down


def distance(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("tokens", [7, 13, 300])
def test_it_is_close_to_the_wide_experts(tokens: int) -> None:
    *given, gate_up, down = operands(tokens, 4)
    ours = moe_visits_fp8(*given, quantize(gate_up), quantize(down))
    assert distance(ours, moe_visits(*given, gate_up, down)) < 0.06


@pytest.mark.parametrize(("tokens", "count"), [(0, 4), (1, 4), (7, 4), (13, 12), (150, 4)])
def test_kernel(both: Any, dtype: torch.dtype, tokens: int, count: int) -> None:
    """The tolerance is for hidden values at the border between two 8-bit numbers."""
    x, weights, experts, gate_up, down = operands(tokens, count)
    x, weights = x.to(dtype), weights.to(dtype)
    actual, expected = both(moe_visits_fp8, x, weights, experts, quantize(gate_up), quantize(down))
    assert actual.shape == expected.shape == (tokens, 2, 48)
    assert not tokens or distance(actual, expected) < 0.01


# Inside tanh, exp() may overflow: it is then 1, as it should be.
@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
def test_kernel_on_numbers_that_8_bits_hold(both: Any) -> None:
    """Then nothing is rounded before the second product."""
    x = torch.randint(-2, 3, (13, 144)).float()
    gate_up = torch.randint(-1, 2, (3, 2 * 80, 144)).float()
    x[:, 0], gate_up[:, :, 0] = 448.0, 0.0
    gate_up[:, :, 1] = 448.0
    x[:, 1] = 0.0
    down = torch.zeros(3, 144, 80)
    down[:, torch.arange(80), torch.arange(80)] = 1.0
    experts = torch.tensor([[0, 2]]).expand(13, 2)
    weights = torch.ones(13, 2)
    actual, expected = both(moe_visits_fp8, x, weights, experts, quantize(gate_up), quantize(down))
    wide = moe_visits(x, weights, experts, gate_up, down)
    assert distance(expected, wide) < 0.04
    assert distance(actual, expected) < 0.01
