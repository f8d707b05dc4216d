from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.moe_route import moe_route


def naive(scores: Tensor, scale: Tensor, active: int) -> tuple[list[list[float]], list[list[int]]]:
    all_weights: list[list[float]] = []
    all_experts: list[list[int]] = []
    for row in scores.double().tolist():
        powers = [math.exp(score - max(row)) for score in row]
        experts = sorted(range(len(row)), key=lambda e: -powers[e])[:active]
        total = sum(powers[e] for e in experts)
        all_experts.append(experts)
        all_weights.append([powers[e] / total * float(scale[e]) for e in experts])
    return all_weights, all_experts


@pytest.mark.parametrize("active", [1, 2, 8])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 300])
def test_against_the_loop(tokens: int, active: int) -> None:
    torch.manual_seed(tokens)
    scores, scale = torch.randn(tokens, 8) * 3, torch.rand(8) + 0.5
    weights, experts, probabilities = moe_route(scores, scale, active)
    expected_weights, expected_experts = naive(scores, scale, active)
    assert weights.shape == experts.shape == (tokens, active)
    assert experts.tolist() == expected_experts
    torch.testing.assert_close(weights, torch.tensor(expected_weights).view_as(weights))
    torch.testing.assert_close(probabilities, torch.softmax(scores, dim=-1))


def test_dtypes_are_those_of_the_contract() -> None:
    weights, experts, probabilities = moe_route(
        torch.randn(3, 8, dtype=torch.bfloat16), torch.ones(8, dtype=torch.bfloat16), 2
    )
    assert (weights.dtype, experts.dtype) == (torch.bfloat16, torch.int64)
    assert probabilities.dtype == torch.float32


def test_near_ties_in_bfloat16_are_decided_in_float32() -> None:
    scores = torch.tensor([[1.0, 1.0078125, 0.5]], dtype=torch.bfloat16)
    assert moe_route(scores, torch.ones(3, dtype=torch.bfloat16), 1)[1].tolist() == [[1]]


@pytest.mark.parametrize(
    ("tokens", "experts", "active"),
    [(0, 8, 1), (1, 12, 3), (7, 128, 8), (13, 8, 2), (64, 128, 8), (300, 12, 3)],
)
def test_kernel(
    both: Any, close: Any, dtype: torch.dtype, tokens: int, experts: int, active: int
) -> None:
    scores = (torch.randn(tokens, experts) * 3).to(dtype)
    scale = (torch.rand(experts) + 0.5).to(dtype)
    actual, expected = both(moe_route, scores, scale, active)
    if dtype == torch.float32:  # in bfloat16 there are ties
        assert torch.equal(actual[1], expected[1])
    close(actual[0], expected[0])
    torch.testing.assert_close(actual[2], expected[2], rtol=1e-5, atol=1e-6)


def test_kernel_takes_the_first_of_equals_and_each_expert_once(both: Any) -> None:
    scores = torch.tensor([[1.0] * 8, [-torch.inf] * 7 + [0.0], [0.0, 2, 1, 2, 1, 0, 0, 2]])
    actual, _ = both(moe_route, scores, torch.ones(8), 4)
    assert actual[1].tolist() == [[0, 1, 2, 3], [7, 0, 1, 2], [1, 3, 7, 2]]
