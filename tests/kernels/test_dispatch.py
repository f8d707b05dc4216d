from __future__ import annotations

import pytest
import torch

from surtitle.kernels import dispatch
from surtitle.kernels.dispatch import forced, use_triton


def test_on_a_cpu_the_references_run() -> None:
    assert not use_triton(torch.zeros(2), torch.zeros(2))


@pytest.mark.gpu
def test_on_a_card_the_kernels_run_unless_a_gradient_is_wanted() -> None:
    x = torch.zeros(2, device="cuda")
    assert use_triton(x, x)
    assert not use_triton(x, x.clone().requires_grad_())
    with torch.inference_mode():
        assert use_triton(x, x.clone().requires_grad_())
    assert not use_triton(x, torch.zeros(2))


@pytest.mark.gpu
def test_without_triton_the_references_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "triton_installed", lambda: False)
    assert not use_triton(torch.zeros(2, device="cuda"))


def test_forcing_ends_with_its_block() -> None:
    with forced(triton=True):
        assert use_triton(torch.zeros(2))
        with forced(triton=False):
            assert not use_triton(torch.zeros(2))
        assert use_triton(torch.zeros(2))
    assert not use_triton(torch.zeros(2))
