"""The shape of the model and the settings of its sampler, as checkpoint folders hold them.

The legend of the dimension letters used in every docstring:

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

from ..errors import CheckpointError

SLIDING = "sliding_attention"
FULL = "full_attention"

CANVAS, VERIFIED = DECODINGS = "canvas", "verified"

MOST = 2**31 - 1  # of any number in a configuration
MOST_LAYERS = 1000

_REQUIRED = (  # in config.json; the others have a default there too
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "moe_intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "num_experts",
    "top_k_experts",
    "sliding_window",
)


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
    bidirectional_prompt: bool = False  # ours: the encoder's prompt tokens see each other
    mask_token_id: int | None = None  # ours: what a canvas begins with; None: random tokens

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value: object = getattr(self, field.name)
            least = 0 if field.name == "pad_token_id" else 1
            if field.type == "int" and not (isinstance(value, int) and least <= value <= MOST):
                raise ValueError(
                    f"{field.name} must be an integer from {least} to {MOST}, got {value!r:.40}"
                )
            is_token = isinstance(value, int) and 0 <= value < self.vocab_size
            if field.type == "int | None" and value is not None and not is_token:
                raise ValueError(
                    f"{field.name} must be a token below {self.vocab_size}, got {value!r:.40}"
                )
            if field.type == "float" and not (isinstance(value, int | float) and 0 < value <= MOST):
                raise ValueError(f"{field.name} must be a number from 0, got {value!r:.40}")
        if self.num_hidden_layers > MOST_LAYERS:
            raise ValueError(
                f"num_hidden_layers must be at most {MOST_LAYERS}, got {self.num_hidden_layers}"
            )
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


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """Settings of the denoising loop; the defaults are the released checkpoint's.

    Ours are `decoding`: answers are what a canvas settles on, or what the causal pass of the same
    weights verifies of it (engine/verified.py), for which it must have been trained; `margin`: a
    drafted token is kept that is so many nats less likely than the likeliest at most, so that 0 is
    greedy decoding; and `merge_repeats`: of a canvas, equal tokens side by side become one; a small
    model stutters where it is not sure how far a word has come.
    """

    max_denoising_steps: int = 48
    t_min: float = 0.4
    t_max: float = 0.8
    entropy_bound: float = 0.1
    stability_threshold: int = 1
    confidence_threshold: float = 0.005
    merge_repeats: bool = False
    decoding: str = CANVAS
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.max_denoising_steps < 1:
            raise ValueError(f"max_denoising_steps must be 1 or more: {self.max_denoising_steps}")
        if not 0 < self.t_min <= self.t_max:
            raise ValueError(f"0 < t_min <= t_max must hold, got {self.t_min} and {self.t_max}")
        if self.margin < 0:
            raise ValueError(f"margin must be 0 or more: {self.margin}")
        if self.decoding not in DECODINGS:
            raise ValueError(f"decoding must be {' or '.join(DECODINGS)}, got {self.decoding!r}")
        if self.stability_threshold < 0:
            raise ValueError(f"stability_threshold must be 0 or more: {self.stability_threshold}")


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
    kind = config.get("model_type", "diffusion_gemma")
    if not str(kind).startswith("diffusion_gemma"):
        raise CheckpointError(f"{path}: model_type is {kind}, not diffusion_gemma")
    found: object = config.get("text_config") or config
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: text_config must be an object, got {found!r:.40}")
    text = cast("dict[str, Any]", found)
    for name in _REQUIRED:
        if text.get(name) is None:
            raise CheckpointError(f"{path}: {name} is missing: not a DiffusionGemma model")
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    try:
        values = {name: text[name] for name in known if text.get(name) is not None}
        values |= _global_head_fields(text)
        values |= _rope_fields(text)
        values["layer_types"] = tuple(text.get("layer_types") or ())
        values["canvas_length"] = config.get("canvas_length") or 256
        values["eos_token_ids"] = _eos_token_ids(folder, config, text)
        return ModelConfig(**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def load_sampler_config(folder: Path) -> SamplerConfig:
    """The sampler settings in generation_config.json; the released ones where it has none."""
    path = folder / "generation_config.json"
    if not path.exists():
        return SamplerConfig()
    generation = _read_json(path)
    known = {field.name for field in dataclasses.fields(SamplerConfig)}
    try:
        sampler: dict[str, Any] = generation.get("sampler_config") or {}
        settings = {**generation, **sampler}
        values = {name: settings[name] for name in known if settings.get(name) is not None}
        return SamplerConfig(**values)
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


def save_sampler_config(sampler: SamplerConfig, config: ModelConfig, folder: Path) -> None:
    """Write generation_config.json in the released layout."""
    settings = dataclasses.asdict(sampler)
    bound = {"entropy_bound": settings.pop("entropy_bound")}
    whole = {
        **settings,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", **bound},
        "eos_token_id": list(config.eos_token_ids),
        "pad_token_id": config.pad_token_id,
    }
    path = folder / "generation_config.json"
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: not a checkpoint folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return cast("dict[str, Any]", value)


def _global_head_fields(text: Mapping[str, Any]) -> dict[str, Any]:
    """Head size and KV heads of the full layers: `global_*`, else the entry that every full layer
    has in `per_layer_config`, else those of the sliding layers."""
    per_layer: dict[str, dict[str, Any]] = text.get("per_layer_config") or {}
    override = next(iter(per_layer.values()), dict[str, Any]())
    return {
        name: text.get(name) or override.get(plain) or text[plain]
        for name, plain in (
            ("global_head_dim", "head_dim"),
            ("num_global_key_value_heads", "num_key_value_heads"),
        )
    }


def _rope_fields(text: Mapping[str, Any]) -> dict[str, Any]:
    rope: dict[str, dict[str, Any]] = text.get("rope_parameters") or {}
    sliding, full = rope.get(SLIDING, {}), rope.get(FULL, {})
    fields = {
        "sliding_rope_theta": sliding.get("rope_theta"),
        "full_rope_theta": full.get("rope_theta"),
        "full_partial_rotary_factor": full.get("partial_rotary_factor"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _eos_token_ids(folder: Path, *configs: Mapping[str, Any]) -> tuple[int, ...]:
    """From generation_config.json, else config.json: the released pair differs, and the former
    has the end marks that the model was trained to write."""
    generation = folder / "generation_config.json"
    sources = [_read_json(generation)] if generation.exists() else []
    for source in [*sources, *configs]:
        eos: int | list[int] | None = source.get("eos_token_id")
        if eos is not None:
            return tuple(eos) if isinstance(eos, list) else (eos,)
    return ModelConfig().eos_token_ids
