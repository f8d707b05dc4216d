"""Checkpoint folders that transformers saved, whole and damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from surtitle.model.errors import CheckpointError
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.weights import load_model, save_model

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
EMBEDDING = "model.decoder.embed_tokens.weight"
DOWN = "model.decoder.layers.2.experts.down_proj"
ENCODER = "model.encoder.language_model."


@pytest.fixture(scope="session")
def sharded(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    reference.save_pretrained(folder, max_shard_size="300KB")
    return folder


@pytest.fixture
def single(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "single"))


@pytest.fixture
def shards(sharded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sharded, tmp_path / "shards"))


def edit(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors of a single-file checkpoint."""
    tensors = load_file(folder / SINGLE)
    change(tensors)
    save_file(tensors, folder / SINGLE)


def shard_of(folder: Path, key: str) -> Path:
    return folder / json.loads((folder / INDEX).read_text())["weight_map"][key]


def assert_same_weights(a: Denoiser, b: Denoiser) -> None:
    theirs = b.state_dict()
    assert a.state_dict().keys() == theirs.keys()
    for name, value in a.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def check_error(folder: Path, *parts: str) -> None:
    """Loading fails and the message has every part."""
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    for part in parts:
        assert part in str(caught.value)


# Whole folders


def test_all_weights_of_the_reference_are_loaded(reference: Any, model: Denoiser) -> None:
    text = [p for n, p in reference.named_parameters() if "vision" not in n]
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in text)


def test_both_layer_scalars_are_loaded(reference: Any, model: Denoiser) -> None:
    for ours, decoder, encoder in zip(
        model.layers,
        reference.model.decoder.layers,
        reference.model.encoder.language_model.layers,
        strict=True,
    ):
        assert torch.equal(ours.layer_scalar, decoder.layer_scalar)
        assert torch.equal(ours.encoder_layer_scalar, encoder.layer_scalar)
        assert not torch.equal(ours.layer_scalar, ours.encoder_layer_scalar)


def test_shards_with_an_index(sharded: Path, model: Denoiser) -> None:
    assert len(list(sharded.glob("*.safetensors"))) > 1
    assert_same_weights(load_model(sharded), model)


def test_what_we_save_we_load(model: Denoiser, tmp_path: Path) -> None:
    save_model(model, tmp_path / "new")
    again = load_model(tmp_path / "new")
    assert_same_weights(again, model)
    assert again.config == model.config


def test_weights_are_cast(checkpoint: Path) -> None:
    model = load_model(checkpoint, torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_weights_are_aligned_for_matrix_products(model: Denoiser) -> None:
    assert all(p.data_ptr() % 64 == 0 for p in model.parameters())


def test_tied_duplicates_are_accepted(single: Path, model: Denoiser) -> None:
    def duplicate(tensors: dict[str, Tensor]) -> None:
        for key, value in list(tensors.items()):
            twin = key.replace("model.decoder.", ENCODER)
            if twin not in tensors and "self_conditioning" not in key:
                tensors[twin] = value.clone()
        tensors["lm_head.weight"] = tensors[EMBEDDING].clone()

    edit(single, duplicate)
    assert_same_weights(load_model(single), model)


def test_the_encoders_side_alone_is_accepted(single: Path, model: Denoiser) -> None:
    def move(tensors: dict[str, Tensor]) -> None:
        tensors[f"{ENCODER}embed_tokens.weight"] = tensors.pop(EMBEDDING)

    edit(single, move)
    assert_same_weights(load_model(single), model)


def test_vision_tensors_are_not_needed(single: Path, model: Denoiser) -> None:
    def drop(tensors: dict[str, Tensor]) -> None:
        for key in [k for k in tensors if "vision" in k]:
            del tensors[key]

    edit(single, drop)
    assert_same_weights(load_model(single), model)


# Damage


def test_no_config(single: Path) -> None:
    (single / "config.json").unlink()
    check_error(single, "config.json", "missing")


def test_no_weights(single: Path) -> None:
    (single / SINGLE).unlink()
    check_error(single, str(single / SINGLE), "missing")


@pytest.mark.parametrize("kept", [0, 5, 1000, 0.5, 0.999])
def test_truncated_file(single: Path, kept: float) -> None:
    data = (single / SINGLE).read_bytes()
    (single / SINGLE).write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    check_error(single, str(single / SINGLE), "damaged or truncated")


def test_truncated_shard(shards: Path) -> None:
    path = shard_of(shards, DOWN)
    path.write_bytes(path.read_bytes()[:-9])
    check_error(shards, str(path), "damaged or truncated")


def test_a_file_of_something_else(single: Path) -> None:
    (single / SINGLE).write_bytes(b"<!doctype html><title>404</title>" * 100)
    check_error(single, str(single / SINGLE), "damaged or truncated")


def test_missing_shard(shards: Path) -> None:
    path = shard_of(shards, DOWN)
    path.unlink()
    check_error(shards, str(path), "missing", "model.")


def test_missing_tensor(single: Path) -> None:
    edit(single, lambda tensors: tensors.pop(DOWN))
    check_error(single, str(single / SINGLE), DOWN, "missing")


def test_missing_encoder_scalar(single: Path) -> None:
    key = f"{ENCODER}layers.1.layer_scalar"
    edit(single, lambda tensors: tensors.pop(key))
    check_error(single, str(single / SINGLE), key, "missing")


def test_tensor_missing_from_its_shard(shards: Path) -> None:
    path = shard_of(shards, DOWN)
    tensors = load_file(path)
    del tensors[DOWN]
    save_file(tensors, path)
    check_error(shards, str(path), DOWN, "missing")


def test_tensor_missing_from_the_index(shards: Path) -> None:
    index = json.loads((shards / INDEX).read_text())
    holder = index["weight_map"].pop(DOWN)
    (shards / INDEX).write_text(json.dumps(index))
    tensors = load_file(shards / holder)
    del tensors[DOWN]
    save_file(tensors, shards / holder)
    check_error(shards, INDEX, DOWN, "missing")


def test_wrong_shape(single: Path) -> None:
    def shorten(tensors: dict[str, Tensor]) -> None:
        tensors[DOWN] = tensors[DOWN][:, :, :-1].contiguous()

    edit(single, shorten)
    check_error(single, str(single / SINGLE), DOWN, "(8, 64, 23)", "(8, 64, 24)")


def test_wrong_shape_of_a_duplicate(single: Path) -> None:
    def add(tensors: dict[str, Tensor]) -> None:
        tensors["lm_head.weight"] = torch.zeros(512, 63)

    edit(single, add)
    check_error(single, str(single / SINGLE), "lm_head.weight", "(512, 63)", "(512, 64)")


def test_a_duplicate_that_is_not_tied(single: Path) -> None:
    def add(tensors: dict[str, Tensor]) -> None:
        tensors["lm_head.weight"] = tensors[EMBEDDING] + 1

    edit(single, add)
    check_error(single, str(single / SINGLE), EMBEDDING, "tied")


def test_unknown_tensor(single: Path) -> None:
    def add(tensors: dict[str, Tensor]) -> None:
        tensors["model.decoder.layers.0.self_attn.q_proj.bias"] = torch.zeros(64)

    edit(single, add)
    check_error(single, str(single / SINGLE), "unknown", "layers.0.self_attn.q_proj.bias")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}']
)
def test_damaged_index(shards: Path, text: str) -> None:
    (shards / INDEX).write_text(text)
    check_error(shards, str(shards / INDEX), "damaged")


def test_an_index_names_no_file_elsewhere(shards: Path) -> None:
    text = '{"weight_map": {"a": "../model.safetensors"}}'
    (shards / INDEX).write_text(text)
    check_error(shards, str(shards / INDEX), "../model.safetensors is not a file of this folder")
