from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.rms_norms import rms_norms
from surtitle.model.network.layers import RMSNorm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_has_the_bits_of_its_own_norm(dtype: torch.dtype) -> None:
    x = torch.randn(13, 40).to(dtype)
    norms = [RMSNorm(40, 1e-6).to(dtype).requires_grad_(False) for _ in range(3)]
    for norm in norms:
        assert norm.weight is not None
        norm.weight.uniform_(0.5, 1.5)
    out = rms_norms(x, tuple(norm.weight for norm in norms if norm.weight is not None), 1e-6)
    assert len(out) == 3
    for actual, norm in zip(out, norms, strict=True):
        assert actual.dtype == dtype and torch.equal(actual, norm(x))


@pytest.mark.parametrize("count", [0, 4])
def test_no_weights_or_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 3 weights, got {count}"):
        rms_norms(torch.ones(2, 8), (torch.ones(8),) * count, 1e-6)


@pytest.mark.parametrize("width", [40, 64])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 100])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_kernel(
    both: Any, close: Any, dtype: torch.dtype, tokens: int, width: int, count: int
) -> None:
    x, weights = torch.randn(tokens, width), (torch.rand(count, width) + 0.5).to(dtype)
    actual, expected = both(rms_norms, x.to(dtype), tuple(weights.unbind()), 1e-6)
    for ours, wanted in zip(actual, expected, strict=True):
        close(ours, wanted)
