from __future__ import annotations

import torch

from surtitle.model.network.denoiser import Denoiser


def test_dropout_only_acts_in_training(model: Denoiser) -> None:
    tokens = torch.randint(3, 100, (2, 9))
    before, _ = model.eval().encode(tokens)
    model.set_dropout(0.3)
    try:
        same, _ = model.encode(tokens)
        first, _ = model.train().encode(tokens)
        second, _ = model.encode(tokens)
    finally:
        model.set_dropout(0.0)
        model.eval()
    torch.testing.assert_close(same, before, rtol=0, atol=0)
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, before)
