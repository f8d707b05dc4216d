from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from surtitle.kernels.moe_ffn import moe_ffn

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
