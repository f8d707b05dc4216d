from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from surtitle.kernels import int8
from surtitle.kernels.int8 import LARGEST, SWITCHES, VNNI, needs_narrow_range, range_row

ROOT = Path(__file__).parents[2]
LIBRARIES = [e for e in torch.backends.quantized.supported_engines if e != "none"]
HAS_VNNI = dict.fromkeys(VNNI, True)
FULL, NARROW = 255, 127  # the largest input, rounded

pytestmark = pytest.mark.skipif(not int8.is_supported(), reason="no products of 8 bits here")


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(torch.backends.quantized, "engine", request.param)
    return request.param


@pytest.mark.parametrize("shape", [(1, 1), (5, 48), (2, 7, 256)])
def test_a_product_is_near_that_of_float32(library: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    weight = torch.randn(33, shape[-1]) * torch.logspace(-3, 3, 33)[:, None]
    packed = int8.pack(weight)
    exact, rounded = F.linear(x, weight), int8.linear(x, packed)
    # By channels: each has a scale of its own.
    error = (rounded - exact).flatten(0, -2).norm(dim=0) / exact.flatten(0, -2).norm(dim=0)
    assert error.max() < (0.06 if packed.narrow else 0.03)


@pytest.mark.parametrize("inputs", [48, 256, 1024])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_the_largest_products_are_not_cut(library: str, rows: int, inputs: int) -> None:
    x, weight = torch.ones(rows, inputs), torch.ones(33, inputs)
    x[0, 0] = 0
    weight[::2] *= -1
    torch.testing.assert_close(int8.linear(x, int8.pack(weight)), x @ weight.T)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_row_does_not_depend_on_those_beside_it(library: str, narrow: bool) -> None:
    packed = int8.pack(torch.randn(33, 48))
    packed = replace(packed, narrow=narrow, range=range_row(48, narrow))
    x = torch.randn(9, 48) * torch.logspace(-4, 4, 9)[:, None]
    together = int8.linear(x, packed)
    for row, found in zip(x, together, strict=True):
        assert torch.equal(int8.linear(row[None], packed)[0], found)


def test_zeros_give_zeros(library: str) -> None:
    packed = int8.pack(torch.cat([torch.zeros(1, 8), torch.ones(1, 8)]))
    assert int8.linear(torch.zeros(2, 8), packed).tolist() == [[0.0, 0.0]] * 2
    assert int8.linear(torch.ones(1, 8), packed).tolist() == [[0.0, pytest.approx(8, rel=0.02)]]


def test_a_weight_that_is_not_packed_is_multiplied_as_it_is() -> None:
    x, weight = torch.randn(3, 8), torch.randn(5, 8)
    assert torch.equal(int8.linear(x, weight), F.linear(x, weight))


def test_where_there_is_no_library_nothing_is_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "quantize_per_channel")
    assert not int8.is_supported()


def in_pairs(x: Tensor, weight: Tensor) -> Tensor:
    """The product of integers x [M, K] and weight [N, K] as processors without VNNI have it: two
    neighbors' products are added in 16 bits, and cut to what these hold."""
    products = (x[:, None] * weight).unflatten(-1, (-1, 2))
    return products.sum(-1).clamp(-(2**15), 2**15 - 1).sum(-1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_pairs_in_16_bits_have_room_for_the_narrow_range_only(sign: int) -> None:
    weight = torch.full((1, 8), sign * LARGEST)
    for largest, fits in ((NARROW, True), (FULL, False)):
        x = torch.full((1, 8), largest)
        assert torch.equal(in_pairs(x, weight), x @ weight.T) is fits


@pytest.mark.parametrize("inputs", [48, 256, 1024])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_the_full_range_is_cut_in_pairs_or_not_at_all(library: str, rows: int, inputs: int) -> None:
    x, weight = torch.randint(-127, 128, (rows, inputs)), torch.randint(-127, 128, (33, inputs))
    x[:, 0], weight[:, 0] = LARGEST, LARGEST  # so that both stay what they are
    packed = int8.pack(weight / LARGEST)
    wide = replace(packed, narrow=False, range=range_row(inputs, narrow=False))
    full = int8.linear(x / LARGEST, wide) * LARGEST * LARGEST
    zero = LARGEST + 1  # libraries have inputs from 0 up
    exact, cut = x @ weight.T, in_pairs(x + zero, weight) - zero * weight.sum(dim=1)
    assert torch.equal(full.round().long(), exact) or (
        packed.narrow and torch.equal(full.round().long(), cut)
    )


@pytest.mark.parametrize(
    ("library", "features", "environment", "is_narrow"),
    [
        *((library, HAS_VNNI, {}, False) for library in ("fbgemm", "onednn", "x86")),
        *((library, {}, {}, True) for library in ("fbgemm", "onednn", "x86", "a new one")),
        ("x86", {name: name != "avx512_vnni" for name in VNNI}, {}, True),
        ("x86", {**HAS_VNNI, "avx512_bw": False}, {}, True),
        ("onednn", {"avx2": True, "avx_vnni": True}, {}, True),
        *(("x86", HAS_VNNI, {switch: "AVX2"}, True) for switch in SWITCHES),
        ("qnnpack", {}, {SWITCHES[0]: "AVX2"}, False),
    ],
)
def test_the_full_range_is_for_what_surely_adds_in_32_bits(
    library: str, features: dict[str, bool], environment: dict[str, str], is_narrow: bool
) -> None:
    assert needs_narrow_range(library, features, environment) is is_narrow


OTHER_PROCESSORS = {  # what this one is made to look like; where it has less, it stays what it is
    "AVX2": dict(
        zip(("ATEN_CPU_CAPABILITY", *SWITCHES[:2]), ("avx2", "AVX2", "AVX2"), strict=True)
    ),
    "AVX-512 without VNNI": dict(zip(SWITCHES[:2], ("AVX512", "AVX512_CORE"), strict=True)),
    "none": dict(zip(("ATEN_CPU_CAPABILITY", SWITCHES[1]), ("default", "SSE41"), strict=True)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_PROCESSORS)
def test_all_tests_of_8_bits_pass_on_other_processors(name: str) -> None:
    """fbgemm's switch and oneDNN's take VNNI away, PyTorch's own changes all other operations."""
    tests = [
        "tests/kernels/test_int8.py",
        "tests/model/engine/test_engine.py",
        "tests/model/engine/test_verified.py",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    chosen = ["-k", "(int8 or 8_bits) and not other_processors"]
    environment = {**os.environ, **OTHER_PROCESSORS[name]}
    done = subprocess.run(
        [*command, *chosen], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
