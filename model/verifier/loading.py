"""The verifiers that come with installed models."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import CheckpointError
from ..installed import find_model, models_for
from ..network.denoiser import Denoiser
from ..network.tokenizer import TranslationTokenizer
from ..network.weights import load_model

FOLDER = "verifier"  # inside a model's folder: a checkpoint folder with the same vocabulary


class Reader(NamedTuple):
    """The verifier of another model, with the tokenizer that goes with it."""

    verifier: Denoiser
    tokenizer: TranslationTokenizer


def load_verifier(folder: Path, dtype: torch.dtype, device: str) -> Denoiser | None:
    """The verifier that comes with a model, if there is one. Raises CheckpointError."""
    path = folder / FOLDER
    return load_model(path, dtype, device) if path.is_dir() else None


def load_reader(folder: Path, dtype: torch.dtype, device: str) -> Reader | None:
    """For a model with a verifier that does not know the ways back of all its directions: the first
    installed verifier that does, if there is one; damaged ones are left out.

    Raises CheckpointError for the model itself.
    """
    directions = TranslationTokenizer.load(folder).directions
    back = {(target, source) for source, target in directions}
    if back == set(directions) or not (folder / FOLDER).is_dir():
        return None
    for name in models_for(back):
        other = find_model(name)
        with suppress(CheckpointError):
            if verifier := load_verifier(other, dtype, device):
                return Reader(verifier, TranslationTokenizer.load(other))
    return None
