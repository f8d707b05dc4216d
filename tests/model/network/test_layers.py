"""The small parts against transformers' own, to the last bit in float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import (
    DiffusionGemmaRMSNorm,
    apply_rotary_pos_emb,
)

from surtitle.model.network.config import FULL, SLIDING, ModelConfig
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.layers import RMSNorm, rotary_angles, rotary_frequencies, rotate


def assert_exact(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("weighted", [True, False])
def test_rms_norm(weighted: bool, dtype: torch.dtype) -> None:
    ours, expected = RMSNorm(64, 1e-6, weighted), DiffusionGemmaRMSNorm(64, 1e-6, weighted)
    if ours.weight is not None:
        ours.weight = expected.weight = nn.Parameter(torch.rand(64) + 0.5)
    x = torch.randn(3, 5, 64, dtype=dtype) * 7
    assert_exact(ours(x), expected(x))


def test_rms_norm_of_zeros_is_zero() -> None:
    assert not RMSNorm(8, 1e-6, weighted=False)(torch.zeros(2, 8)).any()


def test_released_rotary_frequencies() -> None:
    """A quarter of a full layer's pairs turns, and the exponent counts over the whole head."""
    config = ModelConfig()
    sliding, full = rotary_frequencies(config, SLIDING), rotary_frequencies(config, FULL)
    assert sliding.shape == (128,) and full.shape == (256,)
    assert float(sliding[1]) == pytest.approx(1e4 ** (-2 / 256))
    assert float(full[63]) == pytest.approx(1e6 ** (-126 / 512))
    assert not full[64:].any()


@pytest.mark.parametrize("kind", [SLIDING, FULL])
def test_rotation(reference: Any, model: Denoiser, kind: str) -> None:
    size = model.config.head_size(kind)
    x, positions = torch.randn(2, 9, 4, size), torch.arange(100, 109).expand(2, -1)
    angles = rotary_angles(rotary_frequencies(model.config, kind), positions, x.dtype)
    cosine, sine = reference.model.decoder.rotary_emb(x, positions, kind)
    assert_exact(rotate(x, angles), apply_rotary_pos_emb(x, cosine, sine, unsqueeze_dim=2))


@torch.inference_mode()
def test_gated_mlp(reference: Any, model: Denoiser) -> None:
    x = torch.randn(2, 9, 64)
    assert_exact(model.layers[0].mlp(x), reference.model.decoder.layers[0].mlp(x))


@torch.inference_mode()
def test_self_conditioning(reference: Any, model: Denoiser) -> None:
    embedded, expected = torch.randn(2, 9, 64), torch.randn(2, 9, 64)
    theirs = reference.model.decoder.self_conditioning(embedded, expected)
    assert_exact(model.self_conditioning(embedded, expected), theirs)


@torch.inference_mode()
def test_embedding_scale_is_rounded_to_the_weights_dtype() -> None:
    config = ModelConfig(  # the released width, else tiny
        vocab_size=8,
        intermediate_size=8,
        moe_intermediate_size=8,
        num_hidden_layers=1,
        head_dim=8,
        global_head_dim=8,
        num_experts=8,
    )
    model = Denoiser(config).to(torch.bfloat16)
    model.embed_tokens.weight.fill_(1)
    assert model.embed(torch.tensor([[3]])).unique().tolist() == [53.0]
