"""config.json and generation_config.json in every layout that checkpoints come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surtitle.model.errors import CheckpointError
from surtitle.model.network.config import (
    FULL,
    SLIDING,
    ModelConfig,
    SamplerConfig,
    load_config,
    load_sampler_config,
    save_config,
)

SMALL: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 48,
    "moe_intermediate_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_experts": 8,
    "top_k_experts": 2,
    "sliding_window": 16,
    "layer_types": [SLIDING, SLIDING, SLIDING, FULL],
}


def write(folder: Path, text: dict[str, Any], **top: Any) -> Path:
    whole = {"model_type": "diffusion_gemma", "text_config": text, **top}
    (folder / "config.json").write_text(json.dumps(whole))
    return folder


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SMALL.items() if key != name}


# Layouts


def test_released_style(tmp_path: Path) -> None:
    text = {**SMALL, "global_head_dim": 32, "num_global_key_value_heads": 1}
    config = load_config(write(tmp_path, text))
    assert (config.head_size(SLIDING), config.kv_heads(SLIDING)) == (16, 2)
    assert (config.head_size(FULL), config.kv_heads(FULL)) == (32, 1)


@pytest.mark.parametrize("index", ["3", "03"])
def test_resaved_with_settings_per_layer(tmp_path: Path, index: str) -> None:
    text = {**SMALL, "per_layer_config": {index: {"head_dim": 32, "num_key_value_heads": 1}}}
    config = load_config(write(tmp_path, text))
    assert (config.head_size(FULL), config.kv_heads(FULL)) == (32, 1)


def test_resaved_with_equal_heads(tmp_path: Path) -> None:
    """transformers drops what equals the sliding layers' own."""
    config = load_config(write(tmp_path, {**SMALL, "per_layer_config": {}}))
    assert (config.head_size(FULL), config.kv_heads(FULL)) == (16, 2)


def test_what_transformers_saved(checkpoint: Path) -> None:
    config = load_config(checkpoint)
    assert (config.head_size(FULL), config.kv_heads(FULL)) == (32, 1)
    assert config.layer_types == (SLIDING, SLIDING, SLIDING, FULL)
    assert (config.canvas_length, config.sliding_window) == (32, 16)


def test_missing_soft_cap_is_30(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, SMALL)).final_logit_softcapping == 30.0


@pytest.mark.parametrize("layers", [1, 4, 6, 12, 13])
def test_missing_layer_types_are_five_to_one_and_end_full(tmp_path: Path, layers: int) -> None:
    text = {**without("layer_types"), "num_hidden_layers": layers}
    types = load_config(write(tmp_path, text)).layer_types
    assert len(types) == layers and types[-1] == FULL
    assert [i for i in range(layers - 1) if types[i] == FULL] == list(range(5, layers - 1, 6))


def test_rope_settings_per_layer_type(tmp_path: Path) -> None:
    rope = {
        SLIDING: {"rope_type": "default", "rope_theta": 5e3},
        FULL: {"rope_type": "proportional", "rope_theta": 2e6, "partial_rotary_factor": 0.5},
    }
    config = load_config(write(tmp_path, {**SMALL, "rope_parameters": rope}))
    assert config.sliding_rope_theta == 5e3
    assert (config.full_rope_theta, config.full_partial_rotary_factor) == (2e6, 0.5)


def test_text_settings_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, "canvas_length": 64}))
    assert load_config(tmp_path).canvas_length == 64


def test_what_we_save_we_load(tmp_path: Path) -> None:
    config = ModelConfig(
        **{**SMALL, "layer_types": (FULL, SLIDING, SLIDING, FULL)},
        canvas_length=64,
        eos_token_ids=(3, 4),
        full_rope_theta=2e6,
        mask_token_id=0,
    )
    save_config(config, tmp_path)
    assert load_config(tmp_path) == config


def test_defaults_are_the_released_model() -> None:
    config = ModelConfig()
    assert [i for i, kind in enumerate(config.layer_types) if kind == FULL] == [5, 11, 17, 23, 29]


# End marks


@pytest.mark.parametrize(
    ("generation", "top", "text", "expected"),
    [
        ([1, 106, 50], [1, 106], 1, (1, 106, 50)),
        (None, [1, 106], 1, (1, 106)),
        (None, None, 7, (7,)),
        (None, None, None, (1, 106, 50)),
    ],
)
def test_end_marks(
    tmp_path: Path, generation: Any, top: Any, text: Any, expected: tuple[int, ...]
) -> None:
    write(tmp_path, {**SMALL, "eos_token_id": text}, eos_token_id=top)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": generation}))
    assert load_config(tmp_path).eos_token_ids == expected


# Sampler settings


def test_sampler_settings_with_a_class_name(tmp_path: Path) -> None:
    settings = {
        "max_denoising_steps": 12,
        "t_min": 0.3,
        "t_max": 0.9,
        "confidence_threshold": 0.01,
        "stability_threshold": 2,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.2},
    }
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    expected = SamplerConfig(12, 0.3, 0.9, 0.2, 2, 0.01)
    assert load_sampler_config(tmp_path) == expected


def test_missing_sampler_settings_are_the_released_ones(tmp_path: Path, checkpoint: Path) -> None:
    assert load_sampler_config(tmp_path) == SamplerConfig()
    assert load_sampler_config(checkpoint) == SamplerConfig()  # every value is null


@pytest.mark.parametrize("settings", [{"t_min": -1}, {"t_max": "hot"}, {"sampler_config": 3}])
def test_wrong_sampler_settings(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"generation_config\.json"):
        load_sampler_config(tmp_path)


# Damage


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b'"text"'])
def test_config_that_is_no_json_object(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "config.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_config(tmp_path)


def test_config_of_another_model(tmp_path: Path) -> None:
    write(tmp_path, SMALL, model_type="gemma3")
    with pytest.raises(CheckpointError, match="model_type is gemma3"):
        load_config(tmp_path)


@pytest.mark.parametrize("name", ["vocab_size", "head_dim", "num_experts", "sliding_window"])
def test_missing_size_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=rf"config\.json: {name} is missing"):
        load_config(write(tmp_path, without(name)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": "many"}, "vocab_size must be an integer"),
        ({"hidden_size": -1}, "hidden_size must be an integer from 1 to 2147483647, got -1"),
        (
            {"num_key_value_heads": 0},
            "num_key_value_heads must be an integer from 1 to 2147483647, got 0",
        ),
        ({"num_hidden_layers": 5}, "layer_types names 4 layers, num_hidden_layers is 5"),
        ({"layer_types": ["a", "b", "c", "d"]}, "layer_types must be"),
        ({"top_k_experts": 9}, "top_k_experts must be 1 to 8, got 9"),
        ({"num_key_value_heads": 3}, "4 query heads cannot share 3 KV heads"),
        ({"rope_parameters": [1]}, "list"),
        ({"per_layer_config": {"3": 1}}, "int"),
    ],
)
def test_wrong_value_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_config(write(tmp_path, {**SMALL, **change}))
