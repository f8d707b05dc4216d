"""The CTranslate2 models on this computer: folders beside those of our own models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ...errors import TranslatorError
from .layouts import Layout, is_ctranslate2_model, read_layout


class Installed(NamedTuple):
    name: str
    folder: Path
    layout: Layout


def models_folder() -> Path:
    """`surtitle/models` in the user's data folder, where `--checkpoint` finds models by name."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "surtitle" / "models"


def ct2_folders() -> dict[str, Path]:
    """By name, in the order in which they are asked for a direction."""
    folder = models_folder()
    if not folder.is_dir():
        return {}
    found = sorted(path for path in folder.iterdir() if path.is_dir())
    return {
        path.name: path
        for path in found
        if path.name[0] != "." and is_ctranslate2_model(path)  # hidden: it is being fetched
    }


def installed_models() -> list[Installed]:
    """Those that can be read; damaged ones are left out. A model of one direction stands before one
    of many: it is the better one of its direction."""
    found: list[Installed] = []
    for name, folder in ct2_folders().items():
        try:
            found.append(Installed(name, folder, read_layout(folder)))
        except TranslatorError:
            continue
    return sorted(found, key=lambda one: len(one.layout.sources) * len(one.layout.targets))


def find_folder(name: str | Path) -> Path:
    """The folder of a model by its name, else by its path. Raises TranslatorError."""
    known = ct2_folders()
    folder = known.get(str(name), Path(name).expanduser())
    if is_ctranslate2_model(folder):
        return folder
    if not folder.is_dir():
        here = f"there are {', '.join(known)}" if known else "there is none yet"
        raise TranslatorError(
            f"there is no CTranslate2 model {name}: in {models_folder()} {here}; "
            "`surtitle models` lists those that can be fetched"
        )
    raise TranslatorError(
        f"{folder} is no CTranslate2 translator: it needs model.bin and a vocabulary; "
        "convert it with ct2-transformers-converter, and copy its tokenizer's files"
    )
