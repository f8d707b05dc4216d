"""The tiny DiffusionGemma of transformers, our model loaded from what it saved, and a calm one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
)
from transformers.models.gemma4.configuration_gemma4 import Gemma4VisionConfig

from surtitle.model.network.config import FULL, SLIDING
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.weights import load_model

with (
    warnings.catch_warnings()
):  # what transformers' generate() imports in torch is deprecated there
    warnings.simplefilter("ignore", DeprecationWarning)
    import torch._inductor.cudagraph_trees  # noqa: F401

WINDOW = 16  # prefix tokens that a sliding layer sees, itself included
CANVAS = 32
VOCABULARY = 512


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


def build_reference(seed: int) -> Any:
    """transformers' model with random weights, in which no norm, scale or scalar is 1."""
    text = DiffusionGemmaTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=48,
        moe_intermediate_size=24,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        num_global_key_value_heads=1,
        global_head_dim=32,
        layer_types=[SLIDING] * 3 + [FULL],
        sliding_window=WINDOW,
        num_experts=8,
        top_k_experts=2,
        max_position_embeddings=512,
        use_bidirectional_attention="vision",
        rope_parameters={
            SLIDING: {"rope_type": "default", "rope_theta": 1e4},
            FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
        },
    )
    vision = Gemma4VisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        patch_size=4,
        default_output_length=4,
        position_embedding_size=16,
    )
    config = DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=CANVAS,
        image_token_id=500,
        boi_token_id=501,
        eoi_token_id=502,
    )
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = DiffusionGemmaForBlockDiffusion(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.uniform_(0.6, 1.4)
            elif "experts" in name:
                weight.normal_(0, 0.15)
            elif "embed_tokens" in name:
                weight.normal_(0, 0.3)
            else:
                weight.normal_(0, 0.12)
        for name, scalar in model.named_buffers():
            if name.endswith("layer_scalar"):  # the encoder's differ from the decoder's
                scalar.uniform_(0.5, 1.2)
    return model


@pytest.fixture(scope="session")
def reference() -> Any:
    return build_reference(seed=0)


@pytest.fixture(scope="session")
def calm_reference() -> Any:
    """Layers that change little: the arg-max repeats, so that rows stop early."""
    model = build_reference(seed=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                weight *= 0.3
            if "post_attention_layernorm" in name or "post_feedforward_layernorm." in name:
                weight *= 0.05
    return model


@pytest.fixture(scope="session")
def checkpoint(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that transformers saved; tests that damage it work on a copy."""
    return save(reference, tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Denoiser:
    return load_model(checkpoint)


@pytest.fixture(scope="session")
def calm_model(calm_reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Denoiser:
    return load_model(save(calm_reference, tmp_path_factory.mktemp("calm")))


def save(reference: Any, folder: Path) -> Path:
    reference.save_pretrained(folder)
    return folder
