"""Checkpoint folders: safetensors shards in the published layout, checked name by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .config import load_config, save_config
from .denoiser import Denoiser
from .errors import CheckpointError

_DECODER = "model.decoder."
_ENCODER = "model.encoder.language_model."
_IGNORED = ("model.encoder.vision_tower.", "model.encoder.embed_vision.")


def load_model(folder: Path, dtype: torch.dtype | None = None, device: str = "cpu") -> Denoiser:
    """Build the model of a checkpoint folder; `dtype` None keeps float32 on a CPU.

    Raises CheckpointError naming the file and the tensor: for a missing, truncated or foreign
    file, a missing, unknown or wrongly shaped tensor.
    """
    config = load_config(folder)
    with torch.device("meta"):
        model = Denoiser(config)
    state = read_tensors(folder, model.state_dict(), dtype or torch.float32, device)
    model.load_state_dict(state, assign=True)
    model.set_frequencies(device)
    return model.eval().requires_grad_(False)


def save_model(model: Denoiser, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write config.json and model.safetensors, weights in `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_config(model.config, folder)
    tensors = {
        checkpoint_key(name): value.to(dtype).contiguous().clone()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def checkpoint_key(name: str) -> str:
    """Our parameter name as the published checkpoint spells it."""
    if name.endswith("encoder_layer_scalar"):
        return _ENCODER + name.replace("encoder_layer_scalar", "layer_scalar")
    return _DECODER + name


def read_tensors(
    folder: Path, expected: dict[str, Tensor], dtype: torch.dtype, device: str
) -> dict[str, Tensor]:
    """The tensors that `expected` names (values give the shapes), from all shards of a folder."""
    wanted = {checkpoint_key(name): name for name in expected}
    found: dict[str, Tensor] = {}
    for path in _shards(folder):
        try:
            with safe_open(path, framework="pt", device=device) as file:
                for key in file.keys():  # noqa: SIM118: not a mapping
                    name = wanted.get(_untied(key, wanted))
                    if name is None:
                        if not key.startswith(_IGNORED):
                            raise CheckpointError(f"{path}: unknown tensor {key}")
                    elif name not in found:
                        found[name] = _read(path, file, key, expected[name], dtype)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged or truncated ({error}): fetch the file again"
            ) from error
    for key, name in wanted.items():
        if name not in found:
            raise CheckpointError(f"{folder}: no file holds the tensor {key}")
    return found


def _untied(key: str, wanted: dict[str, str]) -> str:
    """A tied duplicate under the name it is stored by: encoder weights and the output head."""
    if key == "lm_head.weight":
        return f"{_DECODER}embed_tokens.weight"
    if key not in wanted and key.startswith(_ENCODER):
        return _DECODER + key.removeprefix(_ENCODER)
    return key


def _read(path: Path, file: Any, key: str, expected: Tensor, dtype: torch.dtype) -> Tensor:
    shape = tuple(cast("list[int]", file.get_slice(key).get_shape()))
    if shape != tuple(expected.shape):
        raise CheckpointError(
            f"{path}: tensor {key} has shape {shape}, config.json asks for {tuple(expected.shape)}"
        )
    # NOTE: a copy, because tensors in a mapped file start at any address, and matrix products on
    # unaligned weights are slower and round differently.
    return cast("Tensor", file.get_tensor(key)).to(dtype, copy=True)


def _shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder, by the index if there is one."""
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if not index.exists():
        if not single.exists():
            raise CheckpointError(f"{folder} has no model.safetensors: not a checkpoint folder")
        return [single]
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{index} is damaged: {error!r}") from error
    for name in names:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing, {index.name} names it")
    return [folder / name for name in names]

