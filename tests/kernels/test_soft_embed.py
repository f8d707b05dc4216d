from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.soft_embed import soft_embed, soft_embed_top


@pytest.mark.parametrize("rows", [0, 1, 7, 13, 300])
def test_it_is_the_mean_embedding(rows: int) -> None:
    scores, weight = torch.randn(rows, 50) * 4, torch.randn(50, 24)
    expected = torch.softmax(scores.double(), dim=-1) @ weight.double() * 3
    actual = soft_embed(scores, weight, 3.0).double()
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_all_tokens_at_the_top_are_the_whole() -> None:
    scores, weight = torch.randn(7, 50) * 4, torch.randn(50, 24)
    top = torch.softmax(scores, dim=-1).topk(50)
    actual = soft_embed_top(top.values, top.indices, weight, 3.0)
    torch.testing.assert_close(actual, soft_embed(scores, weight, 3.0), rtol=1e-4, atol=1e-5)


def test_what_is_left_out_bounds_the_error() -> None:
    scores, weight = torch.randn(13, 50) * 2, torch.randn(50, 24)
    top = torch.softmax(scores, dim=-1).topk(10)
    error = soft_embed_top(top.values, top.indices, weight, 3.0) - soft_embed(scores, weight, 3.0)
    bound = (1 - top.values.sum(dim=-1)) * 3 * weight.norm(dim=-1).max()
    assert (error.norm(dim=-1) <= bound).all()


@pytest.mark.parametrize("rows", [0, 1, 7, 13, 150])
@pytest.mark.parametrize(("vocab", "width"), [(500, 40), (64, 200)])
def test_kernel(
    both: Any, close: Any, dtype: torch.dtype, rows: int, vocab: int, width: int
) -> None:
    scores, weight = torch.randn(rows, vocab) * 4, torch.randn(vocab, width)
    close(*both(soft_embed, scores, weight.to(dtype), 5.0))


def test_kernel_with_forbidden_parts(both: Any, close: Any, dtype: torch.dtype) -> None:
    scores, weight = torch.randn(3, 500), torch.randn(500, 40)
    scores[0, :300] = -torch.inf
    scores[1, 1:] = -1e30
    close(*both(soft_embed, scores, weight.to(dtype), 5.0))


@pytest.mark.parametrize("count", [1, 7, 32])
@pytest.mark.parametrize("rows", [0, 1, 13])
def test_kernel_of_the_top(
    both: Any, close: Any, dtype: torch.dtype, rows: int, count: int
) -> None:
    weight = torch.randn(50, 70).to(dtype)
    top = torch.softmax(torch.randn(rows, 50), dim=-1).topk(count)
    close(*both(soft_embed_top, top.values, top.indices, weight, 5.0))
