from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.canvas_attention import canvas_attention


def naive(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    out = torch.zeros_like(q)
    shared = q.shape[2] // k.shape[2]
    for b in range(q.shape[0]):
        for h in range(q.shape[2]):
            for n in range(q.shape[1]):
                seen = mask[b, n].nonzero().flatten()
                scores = k[b, seen, h // shared] @ q[b, n, h]
                out[b, n, h] = torch.softmax(scores, dim=0) @ v[b, seen, h // shared]
    return out


@pytest.mark.parametrize(("heads", "groups"), [(4, 2), (4, 1), (3, 3)])
@pytest.mark.parametrize("prefix", [0, 1, 7, 13, 300])
def test_against_the_loop(prefix: int, heads: int, groups: int) -> None:
    torch.manual_seed(prefix)
    rows, new, size = 2, 7, 16
    q = torch.randn(rows, new, heads, size) * 0.5
    k, v = torch.randn(2, rows, prefix + new, groups, size).unbind()
    mask = torch.rand(rows, new, prefix + new) < 0.6
    mask[:, :, -1] = True
    expected = naive(q, k, v, mask)
    torch.testing.assert_close(canvas_attention(q, k, v, mask), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("new", [0, 1, 13, 300])
def test_sizes_of_the_canvas(new: int) -> None:
    torch.manual_seed(new)
    q = torch.randn(1, new, 2, 8)
    k, v = torch.randn(2, 1, 5 + new, 1, 8).unbind()
    mask = torch.ones(1, new, 5 + new, dtype=torch.bool)
    torch.testing.assert_close(canvas_attention(q, k, v, mask), naive(q, k, v, mask))


def test_what_cannot_be_seen_does_not_matter() -> None:
    q, k, v = torch.randn(1, 3, 2, 8), torch.randn(1, 9, 2, 8), torch.randn(1, 9, 2, 8)
    mask = torch.ones(1, 3, 9, dtype=torch.bool)
    mask[..., 4:6] = False
    before = canvas_attention(q, k, v, mask)
    k[:, 4:6], v[:, 4:6] = 1e4, 1e4
    assert torch.equal(canvas_attention(q, k, v, mask), before)


def test_one_mask_serves_every_query() -> None:
    q, k, v = torch.randn(2, 3, 2, 8), torch.randn(2, 9, 2, 8), torch.randn(2, 9, 2, 8)
    mask = torch.rand(2, 1, 9) < 0.5
    mask[..., 0] = True
    expected = canvas_attention(q, k, v, mask.expand(-1, 3, -1))
    assert torch.equal(canvas_attention(q, k, v, mask), expected)


@pytest.mark.parametrize(("heads", "groups", "size"), [(4, 2, 16), (4, 1, 24), (3, 3, 8)])
@pytest.mark.parametrize(("prefix", "new"), [(0, 1), (1, 7), (13, 13), (300, 7), (0, 0)])
def test_kernel(
    both: Any,
    close: Any,
    dtype: torch.dtype,
    prefix: int,
    new: int,
    heads: int,
    groups: int,
    size: int,
) -> None:
    q = torch.randn(2, new, heads, size) * 0.5
    k, v = torch.randn(2, 2, prefix + new, groups, size).unbind()
    mask = torch.rand(2, new, prefix + new) < 0.6
    mask[:, :, -1:] = True
    close(*both(canvas_attention, q.to(dtype), k.to(dtype), v.to(dtype), mask))


def test_kernel_with_one_mask_for_every_query(both: Any) -> None:
    q, k, v = torch.randn(2, 300, 2, 8), torch.randn(2, 70, 2, 8), torch.randn(2, 70, 2, 8)
    mask = torch.zeros(2, 1, 70, dtype=torch.bool)
    mask[..., 66] = True  # the first block of keys has nothing to see
    actual, _ = both(canvas_attention, q, k, v, mask)
    torch.testing.assert_close(actual, v[:, 66:67].expand_as(actual), rtol=1e-5, atol=1e-5)


def test_kernel_with_heads_in_two_parts(both: Any, close: Any, dtype: torch.dtype) -> None:
    """As in full layers, where a head is too large for one program."""
    q = torch.randn(1, 7, 4, 300) * 0.1
    k, v = torch.randn(2, 1, 40, 2, 300).unbind()
    mask = torch.rand(1, 7, 40) < 0.6
    close(*both(canvas_attention, q.to(dtype), k.to(dtype), v.to(dtype), mask))
