from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.model.network.denoiser import Denoiser


@pytest.mark.parametrize("layer", [0, 3])
@torch.inference_mode()
def test_router(reference: Any, model: Denoiser, layer: int) -> None:
    x = torch.randn(33, 64) * 3
    weights, experts, probabilities = model.layers[layer].router(x)
    theirs = reference.model.decoder.layers[layer].router(x)
    for ours, expected in zip((probabilities, weights, experts), theirs, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_the_router_normalizes_its_input_itself(model: Denoiser) -> None:
    x = torch.randn(5, 64)
    small, large = (model.layers[0].router(x * scale)[2] for scale in (1, 100))
    torch.testing.assert_close(small, large)


@pytest.mark.parametrize("tokens", [1, 5, 33])
@torch.inference_mode()
def test_experts(reference: Any, model: Denoiser, tokens: int) -> None:
    x = torch.randn(tokens, 64)
    weights, experts, _ = model.layers[1].router(x)
    theirs = reference.model.decoder.layers[1].experts(x, experts, weights)
    torch.testing.assert_close(
        model.layers[1].experts(x, weights, experts), theirs, rtol=0, atol=1e-6
    )
