"""Where the kernels run in these tests: on the card if there is one, else in the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.dispatch import forced, triton_installed


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.gpu)])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """float32 in the interpreter, which multiplies the bits of bfloat16; both on a card."""
    return request.param


@pytest.fixture
def device() -> str:
    if not triton_installed():
        pytest.skip("triton is not installed: pip install -e '.[gpu]'")
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def both(device: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """`both(operation, *operands)`: what its kernel gives and what its reference gives for the
    same values in float32, both on the CPU in float32.

    Fresh memory of the kernel is full of NaN: what it leaves out is seen.
    """

    def operate(operation: Callable[..., Any], *operands: Any) -> tuple[Any, Any]:
        with monkeypatch.context() as patch, forced(triton=True):
            empty, new_empty = torch.empty, Tensor.new_empty
            patch.setattr(torch, "empty", lambda *a, **k: _poisoned(empty(*a, **k)))
            patch.setattr(Tensor, "new_empty", lambda *a, **k: _poisoned(new_empty(*a, **k)))
            actual = operation(*_mapped(lambda x: x.to(device), operands))
        with forced(triton=False):
            return _mapped(_widened, actual), operation(*_mapped(_widened, operands))

    return operate


@pytest.fixture
def close(dtype: torch.dtype) -> Callable[[Any, Any], None]:
    """Equal up to rounding; in bfloat16, up to 1 % of the whole."""

    def compare(actual: Tensor, expected: Tensor) -> None:
        assert actual.shape == expected.shape
        if dtype == torch.float32:
            torch.testing.assert_close(actual, expected.float(), rtol=1e-5, atol=1e-5)
        elif actual.numel():
            assert (actual - expected).norm() <= 1e-2 * expected.float().norm()

    return compare


def _widened(x: Tensor) -> Tensor:
    return x.float().cpu() if x.is_floating_point() else x.cpu()


def _mapped(change: Callable[[Tensor], Tensor], x: Any) -> Any:
    """The tensors inside tuples and dataclasses, changed."""
    if isinstance(x, Tensor):
        return change(x)
    if isinstance(x, tuple):
        return tuple(_mapped(change, y) for y in x)
    if is_dataclass(x) and not isinstance(x, type):
        return type(x)(**{f.name: _mapped(change, getattr(x, f.name)) for f in fields(x) if f.init})
    return x


def _poisoned(fresh: Tensor) -> Tensor:
    return fresh.fill_(torch.nan if fresh.is_floating_point() else -77)
