"""transformers' own DiffusionGemma over the same weights, as a contestant."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..network.config import ModelConfig
from ..network.denoiser import Denoiser
from ..network.weights import checkpoint_key


class TransformersPeer:
    """Raises ImportError where transformers has no DiffusionGemma.

    Eager, with its grouped matrix products for the experts: the loop over experts that it uses by
    default waits for the device thousands of times in a step.
    """

    def __init__(self, model: Denoiser) -> None:
        weight = model.embed_tokens.weight
        default = torch.get_default_dtype()
        torch.set_default_dtype(weight.dtype)
        try:
            with torch.device(weight.device):
                peer = _transformers().DiffusionGemmaForBlockDiffusion(_config(model.config)).eval()
        finally:
            torch.set_default_dtype(default)
        state = {checkpoint_key(name): value for name, value in model.state_dict().items()}
        found = peer.load_state_dict(state, strict=False, assign=True)
        assert not found.unexpected_keys, found.unexpected_keys
        peer.tie_weights()
        peer.set_experts_implementation("grouped_mm")
        self._peer = peer.requires_grad_(False)
        self._device = weight.device

    def run(self, prompts: Tensor, canvas: int, steps: int) -> Tensor:
        """Denoise a canvas for each of the prompts [B, S] in exactly so many steps: [B, S + C]."""
        generation = _transformers(".models.diffusion_gemma.generation_diffusion_gemma")
        self._peer.config.canvas_length = canvas
        config = generation.DiffusionGemmaGenerationConfig(
            max_new_tokens=canvas,
            max_denoising_steps=steps,
            eos_token_id=[1],
            pad_token_id=0,
            t_min=0.4,
            t_max=0.8,
            stability_threshold=1,
            confidence_threshold=1e-30,
            sampler_config=generation.EntropyBoundSamplerConfig(entropy_bound=0.1),
        )
        with torch.inference_mode():
            made = self._peer.generate(prompts.to(self._device), generation_config=config)
        return made.sequences

    def layer(self, index: int, n: int, canvas: int) -> Callable[[Tensor], Tensor]:
        """A decoder layer over [n, canvas, D], without a prompt."""
        decoder = self._peer.model.decoder
        kind = self._peer.config.text_config.layer_types[index]
        weight = decoder.embed_tokens.weight
        positions = torch.arange(canvas, device=weight.device).expand(n, -1)
        angles = decoder.rotary_emb(weight[:1], positions, kind)
        layer = decoder.layers[index]
        # A copy: the layer multiplies what it returns in place.
        return lambda x: layer(x.clone(), position_embeddings=angles, attention_mask=None)


def _transformers(module: str = "") -> Any:
    """It has few types, and is not installed with this package."""
    return importlib.import_module(f"transformers{module}")


def _config(config: ModelConfig) -> Any:
    """Theirs, with the smallest vision tower: they build none without one."""
    text = _transformers().DiffusionGemmaTextConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        moe_intermediate_size=config.moe_intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        num_global_key_value_heads=config.num_global_key_value_heads,
        global_head_dim=config.global_head_dim,
        layer_types=list(config.layer_types),
        sliding_window=config.sliding_window,
        num_experts=config.num_experts,
        top_k_experts=config.top_k_experts,
        use_bidirectional_attention="vision",
    )
    vision = _transformers(".models.gemma4.configuration_gemma4").Gemma4VisionConfig(
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
    last = config.vocab_size
    return _transformers().DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=config.canvas_length,
        image_token_id=last - 3,
        boi_token_id=last - 2,
        eoi_token_id=last - 1,
    )
