"""The models that can be timed: the shipped one, a checkpoint, or any shape with random weights."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..network.config import FULL, SLIDING, ModelConfig
from ..network.denoiser import Denoiser
from ..network.weights import load_model

CONFIGS = {
    "diffusiongemma-26b-a4b": ModelConfig(),
    "toy": ModelConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=48,
        moe_intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        num_global_key_value_heads=1,
        global_head_dim=32,
        layer_types=(SLIDING, SLIDING, FULL),
        sliding_window=1024,
        num_experts=8,
        top_k_experts=2,
    ),
}


def load(folder: Path, device: torch.device) -> Denoiser:
    """A checkpoint folder, in the precision in which it is used there."""
    return load_model(folder, _dtype(device), str(device))


def random_model(config: ModelConfig, device: torch.device) -> Denoiser:
    """Weights that keep the scale of what they multiply; gains and scalars are 1.

    Raises CheckpointError where they would not fit into the memory.
    """
    with torch.device("meta"):
        model = Denoiser(config)
    size = sum(weight.numel() for weight in model.parameters()) * _dtype(device).itemsize
    if size > (there := _memory_bytes(device)):
        raise CheckpointError(
            f"random weights of this shape take {size / 2**30:.0f} GiB, and there are "
            f"{there / 2**30:.0f} GiB of memory for them: take --config toy"
        )
    model = model.to(_dtype(device)).to_empty(device=device).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            weight.fill_(1.0)
        else:
            weight.normal_(0, 1.0 if "embed_tokens" in name else weight.shape[-1] ** -0.5)
    for name, scalar in model.named_buffers():
        if name.endswith("layer_scalar"):
            scalar.fill_(1.0)
    model.embed_tokens.weight *= config.hidden_size**-0.5
    model.set_frequencies(str(device))
    return model


def _memory_bytes(device: torch.device) -> int:
    """All that the device has, taken or not."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" else torch.float32
