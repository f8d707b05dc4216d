"""A model of the catalog -> a folder of ours, from the hub, a mirror of it, or a folder."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import file_digest
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from ...errors import TranslatorError
from ...hub import answer_of, download, reason
from .catalog import CATALOG, Entry
from .installed import models_folder
from .layouts import CARD, is_ctranslate2_model, read_card, read_layout

REPLY_TIMEOUT_S = 10.0
TEXTS = ("README.md", "LICENSE*", "NOTICE*")
TOKENIZERS = ("*.spm", "sentencepiece*.model", "spiece.model", "tokenizer.json")
# NOTE: nothing else is ever fetched: other weights may be pickles, which are programs.
CONVERTED = ("config.json", "model.bin", "*_vocabulary.json", "*_vocabulary.txt")
ORIGINAL = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json")
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a repository holds at a commit: of each file its size, and its SHA-256 where it is one
    of the large ones."""

    revision: str
    sizes: Mapping[str, int]
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what happens: `say` in a line, `heard` how many bytes there are, and of how
    many."""

    say: Callable[[str], None]
    heard: Callable[[int, int], None]


def fetch_translator(
    name: str,
    told: Told,
    *,
    mirror: Path | None = None,
    may_be_non_commercial: bool = False,
) -> Path:
    """The folder of a model of the catalog, fetched if it is not there. Raises TranslatorError."""
    entry = CATALOG.get(name)
    if entry is None:
        raise TranslatorError(f"there is no model {name!r} to fetch: {', '.join(CATALOG)}")
    if entry.is_non_commercial and not may_be_non_commercial:
        raise TranslatorError(
            f"{name} may not be used commercially ({entry.license}); "
            "if that is no obstacle, add --non-commercial"
        )
    return fetch(entry, told, mirror)


def fetch(entry: Entry, told: Told, mirror: Path | None = None) -> Path:
    """As `fetch_translator`.

    1. Files come into a hidden folder beside the others. What is there of them, even in part, does
       not come again, at the commit that is written down there.
    2. They are checked, and converted if they are the original's.
    3. The folder is given its name: what is there under a name is whole.
    """
    folder = models_folder() / entry.name
    if is_ctranslate2_model(folder):
        return folder
    partial = folder.with_name(f".{entry.name}.part")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        told.say(f"{entry.name}: {entry.attribution}; license {entry.license}")
        if mirror is None:
            revision = _download(entry, partial, told)
        else:
            revision = _copy(entry, mirror, partial)
        _check(entry, partial)
        ready = partial if entry.is_converted else _convert(entry, partial, told.say)
        _write_card(ready, entry, revision)
        read_layout(ready)
        ready.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise TranslatorError(f"{entry.name} cannot be kept: {reason(error)}") from error
    return folder


def patterns(entry: Entry) -> list[str]:
    """The files that are fetched."""
    return [*(CONVERTED if entry.is_converted else ORIGINAL), *TOKENIZERS, *SETTINGS, *TEXTS]


def _download(entry: Entry, partial: Path, told: Told) -> str:
    """Fetch what is missing; return the commit."""
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # we say ourselves what failed
    if constants.HF_HUB_OFFLINE:
        raise TranslatorError(f"{entry.name} is not on disk, and HF_HUB_OFFLINE is set")
    try:
        contents = _contents(entry, read_card(partial).get("revision", ""), endpoint)
        _require_weights(entry, contents.sizes)
        _write_card(partial, entry, contents.revision)
        total = sum(contents.sizes.values())
        _require_room(entry, partial, total)
        place = f"{entry.repository} at {contents.revision[:12]}"
        told.say(f"Fetching {place}, {total / 1e6:,.0f} MB, only once")
        done = 0
        for name, size in contents.sizes.items():
            url = f"{endpoint}/{entry.repository}/resolve/{contents.revision}/{quote(name)}"
            before = done
            download(url, partial / name, size, lambda n, b=before: told.heard(b + n, total))
            done += size
    except TranslatorError:
        raise
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise TranslatorError(
            f"the hub has no {entry.repository} any more, or not as it was; "
            "take another model, or convert one yourself"
        ) from error
    except Exception as error:  # of the disk, or of whichever HTTP library huggingface_hub uses
        raise TranslatorError(
            f"{entry.name} cannot be fetched: {reason(error)}; what is there already is kept for "
            "the next time"
        ) from error
    _check_all(entry, partial, contents)
    return contents.revision


def _contents(entry: Entry, begun: str, endpoint: str) -> _Contents:
    """At the commit that the catalog names, else the one that was begun with, else the newest."""
    # All of these are public: nobody's key goes to a mirror.
    api: Any = HfApi(endpoint=endpoint, token=False)
    info = answer_of(
        lambda: api.model_info(
            entry.repository, revision=entry.revision or begun or None, files_metadata=True
        ),
        REPLY_TIMEOUT_S,
    )
    wanted = [
        each
        for each in info.siblings or ()
        if "/" not in each.rfilename
        and any(fnmatch(each.rfilename, pattern) for pattern in patterns(entry))
    ]
    return _Contents(
        info.sha,
        {each.rfilename: each.size or 0 for each in wanted},
        {each.rfilename: each.lfs.sha256 for each in wanted if each.lfs is not None},
    )


def _copy(entry: Entry, mirror: Path, partial: Path) -> str:
    """From a folder that holds repositories, or this one; return the commit, which is not known."""
    places = [mirror / entry.repository, mirror / Path(entry.repository).name]
    places += [mirror / entry.name, mirror]
    source = next((place for place in places if any(place.glob("config.json"))), None)
    if source is None:
        raise TranslatorError(f"{mirror} has no folder {entry.repository}")
    files = [path for path in source.iterdir() if path.is_file()]
    wanted = [path for path in files if any(map(path.match, patterns(entry)))]
    _require_weights(entry, {path.name: path.stat().st_size for path in wanted})
    for path in wanted:
        shutil.copyfile(path, partial / path.name)
    return entry.revision or "from a folder"


def _require_weights(entry: Entry, files: Mapping[str, int]) -> None:
    ending = "model.bin" if entry.is_converted else ".safetensors"
    if not any(name.endswith(ending) for name in files):
        raise TranslatorError(
            f"{entry.repository} has no {ending}, and other weights are not fetched, as they may "
            "be programs; take another model, or convert one yourself"
        )


def _require_room(entry: Entry, partial: Path, needed_bytes: int) -> None:
    there = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    factor = 1 if entry.is_converted else 2  # the original, and what is made of it
    if shutil.disk_usage(partial).free < factor * needed_bytes - there:
        raise TranslatorError(
            f"{entry.name} needs {factor * needed_bytes / 1e6:,.0f} MB, and there is less in "
            f"{partial.parent}"
        )


def _check(entry: Entry, folder: Path) -> None:
    if entry.model_sha256 and _sha256(folder / "model.bin") != entry.model_sha256:
        _forget(entry, folder, ["model.bin"])


def _check_all(entry: Entry, folder: Path, contents: _Contents) -> None:
    """Against what the hub says of each file."""
    bad = [
        name
        for name, size in contents.sizes.items()
        if (folder / name).stat().st_size != size
        or (name in contents.checksums and _sha256(folder / name) != contents.checksums[name])
    ]
    if bad:
        _forget(entry, folder, bad)


def _forget(entry: Entry, folder: Path, bad: list[str]) -> None:
    """Drop files that are not what they should be, so that they come anew; raise."""
    for name in bad:
        (folder / name).unlink()
    raise TranslatorError(
        f"{entry.name}: {', '.join(bad)} is not the file that was published; fetch it again, "
        "and if that does not help, do not use where it comes from"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _convert(entry: Entry, original: Path, say: Callable[[str], None]) -> Path:
    """Make a CTranslate2 model of safetensors; return its folder."""
    try:
        import transformers  # pyright: ignore # noqa: F401  # what converts needs it
    except ImportError as error:
        raise TranslatorError(
            f"{entry.name} has to be converted, which needs transformers: "
            "pip install 'surtitle[convert]'; then fetch it again, nothing comes twice"
        ) from error
    from ctranslate2.converters import (  # pyright: ignore[reportMissingTypeStubs]
        TransformersConverter,
    )

    say(f"Converting {entry.name} to 8 bits")
    ready = original.with_name(f".{entry.name}.converted")
    converter: Any = TransformersConverter(str(original), low_cpu_mem_usage=True)
    try:
        converter.convert(str(ready), quantization="int8", force=True)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise TranslatorError(f"{entry.name} cannot be converted: {error}") from error
    kept = (*TOKENIZERS, *TEXTS, "tokenizer_config.json")
    for path in original.iterdir():
        if any(map(path.match, kept)):
            shutil.copyfile(path, ready / path.name)
    return ready


def _write_card(folder: Path, entry: Entry, revision: str) -> None:
    """What must be known about the model stays with it: whose it is, and on which terms."""
    card: dict[str, Any] = {
        "name": entry.name,
        "repository": entry.repository,
        "revision": revision,
        "license": entry.license,
        "attribution": entry.attribution,
    }
    if entry.sources:
        card |= {"sources": list(entry.sources), "targets": list(entry.targets)}
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
