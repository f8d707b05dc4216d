from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from surtitle.kernels.moe_ffn import moe_ffn, moe_visits

WIDTH, HIDDEN = 24, 16


def naive(x: Tensor, weights: Tensor, experts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for t in range(experts.shape[0]):
        for a in range(experts.shape[1]):
            e = int(experts[t, a])
            gate, up = (gate_up[e] @ x[t]).chunk(2)
            visited = down[e] @ (F.gelu(gate, approximate="tanh") * up)
            out[t] = out[t] + weights[t, a] * visited
    return out


def operands(tokens: int, active: int, count: int = 8) -> tuple[Tensor, ...]:
    torch.manual_seed(tokens)
    experts = torch.rand(tokens, count).argsort(dim=-1)[:, :active]
    weights = torch.rand(tokens, active) + 0.1
    gate_up = torch.randn(count, 2 * HIDDEN, WIDTH) * WIDTH**-0.5
    down = torch.randn(count, WIDTH, HIDDEN) * HIDDEN**-0.5
    return torch.randn(tokens, WIDTH), weights, experts, gate_up, down


@pytest.mark.parametrize("active", [1, 2, 8])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 300])
def test_against_the_loop(tokens: int, active: int) -> None:
    given = operands(tokens, active)
    torch.testing.assert_close(moe_ffn(*given), naive(*given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 13, 300])
def test_gradients_against_the_loop(tokens: int) -> None:
    x, weights, experts, gate_up, down = operands(tokens, 2)
    leaves = [t.requires_grad_() for t in (x, weights, gate_up, down)]
    slope = torch.randn(tokens, WIDTH)
    ours = torch.autograd.grad(moe_ffn(x, weights, experts, gate_up, down), leaves, slope)
    expected = torch.autograd.grad(naive(x, weights, experts, gate_up, down), leaves, slope)
    for gradient, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4)


def test_experts_that_nobody_visits() -> None:
    x, weights, _, gate_up, down = operands(13, 2)
    experts = torch.tensor([[5, 2]]).expand(13, -1)
    expected = naive(x, weights, experts, gate_up, down)
    torch.testing.assert_close(moe_ffn(x, weights, experts, gate_up, down), expected)


def test_one_run_gives_the_bits_of_the_next() -> None:
    given = operands(300, 2)
    assert torch.equal(moe_ffn(*given), moe_ffn(*given))


@pytest.mark.parametrize(("tokens", "count"), [(0, 4), (1, 4), (7, 4), (13, 12), (300, 12)])
def test_kernel(both: Any, close: Any, dtype: torch.dtype, tokens: int, count: int) -> None:
    x, weights, experts, gate_up, down = operands(tokens, 2, count)
    given = x.to(dtype), weights.to(dtype), experts, gate_up.to(dtype), down.to(dtype)
    close(*both(moe_ffn, *given))


@pytest.mark.parametrize("alone", [0, 1, 15, 16, 17])
def test_kernel_with_ragged_experts(both: Any, close: Any, dtype: torch.dtype, alone: int) -> None:
    """Two experts share 33 tokens unevenly, the others have none."""
    x, weights, _, gate_up, down = operands(33, 1)
    experts = torch.full((33, 1), 5)
    experts[torch.randperm(33)[:alone]] = 2
    given = x.to(dtype), weights.to(dtype), experts, gate_up.to(dtype), down.to(dtype)
    close(*both(moe_ffn, *given))


def test_kernel_with_dimensions_above_a_tile(both: Any, close: Any, dtype: torch.dtype) -> None:
    x, gate_up = torch.randn(5, 152), torch.randn(3, 2 * 72, 152) * 0.1
    down, weights = torch.randn(3, 152, 72) * 0.1, torch.rand(5, 2)
    experts = torch.tensor([[0, 2]]).expand(5, 2)
    given = x.to(dtype), weights.to(dtype), experts, gate_up.to(dtype), down.to(dtype)
    close(*both(moe_ffn, *given))


@pytest.mark.parametrize("tokens", [0, 13])
def test_visits_add_up(both: Any, close: Any, tokens: int) -> None:
    given = operands(tokens, 3)
    actual, expected = both(moe_visits, *given)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(expected.sum(dim=1), naive(*given), rtol=1e-5, atol=1e-5)
