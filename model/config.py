"""The shape of the model, and the legend of the dimension letters used in every docstring.

    B canvases in the batch    S prefix tokens       C canvas tokens    T flattened tokens
    D width                    H query heads         G KV heads         K head size
    E experts                  A active experts      F expert width     V vocabulary

Field names are those of the published checkpoint's config.json.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .errors import CheckpointError

SLIDING = "sliding_attention"
FULL = "full_attention"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A DiffusionGemma text model. The defaults are those of the released 26B-A4B checkpoint."""

    vocab_size: int = 262_144
    hidden_size: int = 2816
    intermediate_size: int = 2112
    moe_intermediate_size: int = 704
    num_hidden_layers: int = 30
    num_attention_heads: int = 16
    num_key_value_heads: int = 8
    head_dim: int = 256
    num_global_key_value_heads: int = 2
    global_head_dim: int = 512
    num_experts: int = 128
    top_k_experts: int = 8
    sliding_window: int = 1024
    layer_types: tuple[str, ...] = ()
    sliding_rope_theta: float = 1e4
    full_rope_theta: float = 1e6
    full_partial_rotary_factor: float = 0.25
    rms_norm_eps: float = 1e-6
    final_logit_softcapping: float = 30.0
    canvas_length: int = 256
    pad_token_id: int = 0
    eos_token_ids: tuple[int, ...] = (1, 106, 50)

    def __post_init__(self) -> None:
        if not self.layer_types:
            object.__setattr__(self, "layer_types", default_layer_types(self.num_hidden_layers))
        if len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types names {len(self.layer_types)} layers, "
                f"num_hidden_layers is {self.num_hidden_layers}"
            )
        unknown = set(self.layer_types) - {SLIDING, FULL}
        if unknown:
            raise ValueError(f"layer_types must be {SLIDING} or {FULL}, got {sorted(unknown)}")
        if not 0 < self.top_k_experts <= self.num_experts:
            raise ValueError(
                f"top_k_experts must be 1 to {self.num_experts}, got {self.top_k_experts}"
            )
        for layer_type in (SLIDING, FULL):
            if self.num_attention_heads % self.kv_heads(layer_type):
                raise ValueError(
                    f"{self.num_attention_heads} query heads cannot share "
                    f"{self.kv_heads(layer_type)} KV heads in a {layer_type} layer"
                )

    def head_size(self, layer_type: str) -> int:
        return self.head_dim if layer_type == SLIDING else self.global_head_dim

    def kv_heads(self, layer_type: str) -> int:
        return (
            self.num_key_value_heads if layer_type == SLIDING else self.num_global_key_value_heads
        )


def default_layer_types(layers: int) -> tuple[str, ...]:
    """Five sliding layers, then a full one; the last layer is always full."""
    types = [FULL if i % 6 == 5 else SLIDING for i in range(layers)]
    types[-1] = FULL
    return tuple(types)


def load_config(folder: Path) -> ModelConfig:
    """Read config.json (and generation_config.json, for the EOS ids) of a checkpoint folder.

    Accepts the released layout and what newer transformers write (`per_layer_config` instead of
    `global_*`, missing soft-cap or layer types). Raises CheckpointError naming file and field.
    """
    path = folder / "config.json"
    config = _read_json(path)
    text = cast("dict[str, Any]", config.get("text_config", config))
    text = {**text, **_global_head_fields(text)}
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    values = {name: value for name, value in text.items() if name in known and value is not None}
    for name in ("vocab_size", "hidden_size", "num_hidden_layers", "head_dim", "num_experts"):
        if name not in values:
            raise CheckpointError(f"{path}: the field {name} is missing: not a DiffusionGemma model")
    values |= _rope_fields(text)
    if "layer_types" in values:
        values["layer_types"] = tuple(values["layer_types"])
    values["canvas_length"] = config.get("canvas_length", 256)
    values["pad_token_id"] = text.get("pad_token_id") or 0
    values["eos_token_ids"] = _eos_token_ids(folder, config, text)
    try:
        return ModelConfig(**values)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def save_config(config: ModelConfig, folder: Path) -> None:
    """Write config.json in the released layout, so that `load_config` returns an equal config."""
    text = dataclasses.asdict(config)
    canvas_length = text.pop("canvas_length")
    eos_token_id = list(text.pop("eos_token_ids"))
    sliding, full, partial = (
        text.pop("sliding_rope_theta"),
        text.pop("full_rope_theta"),
        text.pop("full_partial_rotary_factor"),
    )
    text["rope_parameters"] = {
        SLIDING: {"rope_type": "default", "rope_theta": sliding},
        FULL: {
            "rope_type": "proportional",
            "rope_theta": full,
            "partial_rotary_factor": partial,
        },
    }
    whole = {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "canvas_length": canvas_length,
        "eos_token_id": eos_token_id,
        "text_config": text,
    }
    (folder / "config.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: not a checkpoint folder") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error


def _global_head_fields(text: Mapping[str, Any]) -> dict[str, int]:
    """Head size and KV heads of the full layers, wherever this config keeps them."""
    per_layer = cast("dict[str, dict[str, int]]", text.get("per_layer_config") or {})
    override = next(iter(per_layer.values()), {})
    fields = {
        "global_head_dim": text.get("global_head_dim") or override.get("head_dim"),
        "num_global_key_value_heads": text.get("num_global_key_value_heads")
        or override.get("num_key_value_heads"),
    }
    fallback = {
        "global_head_dim": text.get("head_dim"),
        "num_global_key_value_heads": text.get("num_key_value_heads"),
    }
    return {name: value or fallback[name] for name, value in fields.items()}


def _rope_fields(text: Mapping[str, Any]) -> dict[str, float]:
    rope = cast("dict[str, dict[str, Any]]", text.get("rope_parameters") or {})
    sliding, full = rope.get(SLIDING, {}), rope.get(FULL, {})
    fields = {
        "sliding_rope_theta": sliding.get("rope_theta"),
        "full_rope_theta": full.get("rope_theta"),
        "full_partial_rotary_factor": full.get("partial_rotary_factor"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _eos_token_ids(folder: Path, *configs: Mapping[str, Any]) -> tuple[int, ...]:
    generation = folder / "generation_config.json"
    sources = [_read_json(generation)] if generation.exists() else []
    for source in [*sources, *configs]:
        eos = source.get("eos_token_id")
        if eos is not None:
            return tuple(cast("list[int]", eos)) if isinstance(eos, list) else (cast("int", eos),)
    return ModelConfig.__dataclass_fields__["eos_token_ids"].default
