"""The translators on this computer: the embedded one, and folders that the user put in place."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open

from .errors import CheckpointError
from .network.tokenizer import Direction, TranslationTokenizer

EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model can do, and how large it is."""

    directions: tuple[Direction, ...]
    parameters: int
    size_bytes: int


def models_folder() -> Path:
    """`surtitle/models` in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "surtitle" / "models"


def model_folders() -> dict[str, Path]:
    """By name; first that of the package. What CTranslate2 reads may lie beside the others, and is
    none of ours."""
    folder = models_folder()
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    ours = (path for path in found if not (path / "model.bin").is_file() and path.name[0] != ".")
    return {"embedded": EMBEDDED} | {path.name: path for path in ours if path.name != "embedded"}


def models_for(directions: Collection[tuple[str | None, str]]) -> list[str]:
    """The names of those that know all of the directions, from any language where the source is
    None; damaged ones are left out."""
    return [name for name, known in directions_of_all().items() if _all_in(known, directions)]


def directions_of_all() -> dict[str, tuple[Direction, ...]]:
    """By the models' names; damaged ones are left out."""
    found: dict[str, tuple[Direction, ...]] = {}
    for name, folder in model_folders().items():
        try:
            found[name] = TranslationTokenizer.load(folder).directions
        except CheckpointError:
            continue
    return found


def _all_in(known: Collection[Direction], directions: Collection[tuple[str | None, str]]) -> bool:
    return {*known, *((None, target) for _, target in known)}.issuperset(directions)


def find_model(name: str | Path) -> Path:
    """The folder of a model by its name, else by its path.

    Raises CheckpointError naming those that there are.
    """
    known = model_folders()
    if str(name) in known:
        return known[str(name)]
    if Path(name).is_dir():
        return Path(name)
    raise CheckpointError(
        f"there is no model {name}: it is no folder, and in {models_folder()} there is none of "
        f"that name. Installed are: {', '.join(sorted(known))}"
    )


def inspect(folder: Path) -> Summary:
    """Read about a model without loading it. Raises CheckpointError."""
    directions = TranslationTokenizer.load(folder).directions
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise CheckpointError(f"{folder / 'model.safetensors'} is missing: not a checkpoint folder")
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return Summary(directions, sum(map(sum, map(_sizes, shards))), size_bytes)


def _sizes(path: Path) -> Iterator[int]:
    """Of each stored tensor."""
    try:
        with cast("Any", safe_open(path, framework="numpy")) as file:
            for key in file.keys():
                yield math.prod(file.get_slice(key).get_shape())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}): fetch the file again"
        ) from error
