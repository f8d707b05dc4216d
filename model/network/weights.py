"""Checkpoint folders: safetensors shards in the published layout, checked name by name."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from ..errors import CheckpointError
from .config import load_config, save_config
from .denoiser import Denoiser

_DECODER = "model.decoder."
_ENCODER = "model.encoder.language_model."
_IGNORED = ("model.encoder.vision_tower.", "model.encoder.embed_vision.")
_INDEX = "model.safetensors.index.json"


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...


class _Tensors(Protocol):
    """An open safetensors file: the library has no types."""

    def keys(self) -> Iterable[str]: ...
    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> Tensor: ...


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
    # NOTE: not the library's save_file, whose files only their owner may read.
    (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))


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
    shards = _shards(folder)
    found: dict[str, Tensor] = {}
    for path in dict.fromkeys(shards.values()):
        try:
            with _open(path, device) as file:
                for key in file.keys():
                    name = wanted.get(_untied(key, wanted))
                    if name is None:
                        if not key.startswith(_IGNORED):
                            raise CheckpointError(f"{path}: unknown tensor {key}")
                        continue
                    tensor = _read(path, file, key, expected[name], dtype)
                    other = found.setdefault(name, tensor)
                    if other is not tensor and not torch.equal(other, tensor):
                        raise CheckpointError(
                            f"{path}: tensor {key} differs from the one it is tied to, "
                            f"{checkpoint_key(name)}"
                        )
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged or truncated ({error}): fetch the file again"
            ) from error
    for key, name in wanted.items():
        if name not in found:
            path = shards.get(key) or shards.get("") or folder / _INDEX
            raise CheckpointError(f"{path}: the tensor {key} is missing")
    return found


def _open(path: Path, device: str) -> AbstractContextManager[_Tensors]:
    opened = safe_open(path, framework="pt", device=device)
    return cast("AbstractContextManager[_Tensors]", opened)


def _untied(key: str, wanted: Container[str]) -> str:
    """A tied duplicate under the name it is stored by: encoder weights and the output head."""
    if key == "lm_head.weight":
        return f"{_DECODER}embed_tokens.weight"
    if key not in wanted and key.startswith(_ENCODER):
        return _DECODER + key.removeprefix(_ENCODER)
    return key


def _read(path: Path, file: _Tensors, key: str, expected: Tensor, dtype: torch.dtype) -> Tensor:
    shape = tuple(file.get_slice(key).get_shape())
    if shape != tuple(expected.shape):
        raise CheckpointError(
            f"{path}: tensor {key} has shape {shape}, config.json asks for {tuple(expected.shape)}"
        )
    # NOTE: a copy, because tensors in a mapped file start at any address, and matrix products on
    # unaligned weights are slower and round differently.
    return file.get_tensor(key).to(dtype, copy=True)


def _shards(folder: Path) -> dict[str, Path]:
    """Which file holds which tensor, by the index if there is one; "" names a single file."""
    index = folder / _INDEX
    if not index.exists():
        single = folder / "model.safetensors"
        if not single.exists():
            raise CheckpointError(f"{single} is missing: not a checkpoint folder")
        return {"": single}
    try:
        names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        if outside := next((name for name in names.values() if Path(name).name != name), None):
            raise ValueError(f"{outside} is not a file of this folder")
        shards = {key: folder / name for key, name in names.items()}
        missing = next((key for key, path in shards.items() if not path.is_file()), None)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise CheckpointError(f"{index} is damaged: {error!r:.200}") from error
    if missing is not None:
        raise CheckpointError(
            f"{shards[missing]} is missing: {index.name} says that it holds {missing}"
        )
    return shards
