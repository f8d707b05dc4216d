from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from surtitle.kernels import int8

pytestmark = pytest.mark.skipif(not int8.is_supported(), reason="no products of 8 bits here")


@pytest.mark.parametrize("shape", [(1, 1), (5, 48), (2, 7, 256)])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(
    "library", [e for e in torch.backends.quantized.supported_engines if e != "none"]
)
def test_a_product_is_near_that_of_float32(
    library: str, shape: tuple[int, ...], narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", library)
    monkeypatch.setattr(int8, "_NARROW", narrow)
    x = torch.randn(shape)
    weight = torch.randn(33, shape[-1]) * torch.logspace(-3, 3, 33)[:, None]
    exact, rounded = F.linear(x, weight), int8.linear(x, int8.pack(weight))
    # By channels: each has a scale of its own.
    error = (rounded - exact).flatten(0, -2).norm(dim=0) / exact.flatten(0, -2).norm(dim=0)
    assert error.max() < (0.06 if narrow else 0.03)


def test_zeros_give_zeros() -> None:
    packed = int8.pack(torch.cat([torch.zeros(1, 8), torch.ones(1, 8)]))
    assert int8.linear(torch.zeros(2, 8), packed).tolist() == [[0.0, 0.0]] * 2
    assert int8.linear(torch.ones(1, 8), packed).tolist() == [[0.0, pytest.approx(8, rel=0.02)]]


def test_a_weight_that_is_not_packed_is_multiplied_as_it_is() -> None:
    x, weight = torch.randn(3, 8), torch.randn(5, 8)
    assert torch.equal(int8.linear(x, weight), F.linear(x, weight))


def test_where_there_is_no_library_nothing_is_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "quantize_per_channel")
    assert not int8.is_supported()
