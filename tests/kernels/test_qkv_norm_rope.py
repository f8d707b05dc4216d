from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.qkv_norm_rope import Heads, qkv_norm_rope

SLIDING = Heads(queries=4, groups=2, size=16, values_from_keys=False)
FULL = Heads(queries=4, groups=1, size=24, values_from_keys=True)


def operands(tokens: int, heads: Heads, dtype: Any = torch.float32) -> Any:
    turn = torch.randn(tokens, heads.size // 2).repeat(1, 2)
    angles = turn.cos().to(dtype), turn.sin().to(dtype)
    q_weight, k_weight = (torch.rand(2, heads.size) + 0.5).to(dtype).unbind()
    qkv = torch.randn(tokens, heads.width).to(dtype)
    return qkv, q_weight, k_weight, angles, heads, 1e-6


@pytest.mark.parametrize("heads", [SLIDING, FULL])
def test_it_is_what_the_model_computes(heads: Heads) -> None:
    from surtitle.model.network.layers import RMSNorm, rotate

    qkv, q_weight, k_weight, angles, _, eps = operands(7, heads)
    split = qkv.view(1, 7, -1, heads.size)
    at = heads.queries + heads.groups
    given = tuple(x[None, :, None] for x in angles)

    def normed(x: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        norm = RMSNorm(heads.size, eps, weighted=weight is not None)
        if weight is not None:
            norm.weight.data.copy_(weight)
        return norm(x)

    values = split[:, :, heads.queries : at] if heads.values_from_keys else split[:, :, at:]
    expected = (
        rotate(normed(split[:, :, : heads.queries], q_weight), given),
        rotate(normed(split[:, :, heads.queries : at], k_weight), given),
        normed(values, None),
    )
    actual = qkv_norm_rope(qkv, q_weight, k_weight, angles, heads, eps)
    for x, y in zip(actual, expected, strict=True):
        torch.testing.assert_close(x, y[0], rtol=0, atol=0)


@pytest.mark.parametrize("heads", [SLIDING, FULL])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 30])
def test_kernel(both: Any, close: Any, dtype: torch.dtype, tokens: int, heads: Heads) -> None:
    actual, expected = both(qkv_norm_rope, *operands(tokens, heads, dtype))
    for x, y in zip(actual, expected, strict=True):
        close(x, y)
