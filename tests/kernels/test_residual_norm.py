from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.residual_norm import add_normed, combine_normed


def normed(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, 1e-6)


def operands(tokens: int, dtype: Any = torch.float32, width: int = 40) -> Any:
    x, dense = torch.randn(2, tokens, width).to(dtype).unbind()
    weights = tuple((torch.rand(3, width) + 0.5).to(dtype).unbind())
    scalars = (torch.rand(tokens) + 0.5).to(dtype)
    return x, dense, torch.randn(tokens, 3, width).to(dtype), weights, scalars, 1e-6


def test_the_sums_are_those_of_the_layer() -> None:
    x, dense, visits, weights, scalars, eps = operands(13)
    actual = add_normed(x, dense, weights[0], eps)
    torch.testing.assert_close(actual, x + normed(dense, weights[0]), rtol=1e-5, atol=1e-5)
    both = normed(dense, weights[0]) + normed(visits.sum(dim=1), weights[1])
    expected = (x + normed(both, weights[2])) * scalars[:, None]
    actual = combine_normed(x, dense, visits, weights, scalars, eps)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [40, 64])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 100])
def test_kernels(both: Any, close: Any, dtype: torch.dtype, tokens: int, width: int) -> None:
    x, dense, visits, weights, scalars, eps = operands(tokens, dtype, width)
    close(*both(add_normed, x, dense, weights[0], eps))
    close(*both(combine_normed, x, dense, visits, weights, scalars, eps))
