"""What `surtitle subtitle` is asked to do: files and folders on the command line -> inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import BatchConfig, SubtitleFormat
from ..subtitles.documents import file_format, is_subtitle_file
from ..subtitles.mux import container_suffix
from ..subtitles.outputs import Input, named_language

SUBTITLED, BURNED = ".subtitled", ".burned"  # in the names of videos that we make
_RECORDINGS = frozenset(
    ".3gp .aac .ac3 .aif .aiff .amr .avi .caf .eac3 .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv .mov "
    ".mp3 .mp4 .mpeg .mpg .mts .oga .ogg .ogv .opus .ts .wav .webm .wma .wmv".split()
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that say what becomes of an input.

    `source` is the language that is spoken or written: "auto", or None where it was not said, which
    means English where no file says more. `formats` None: SubRip, and for a subtitle file its own.
    """

    source: str | None
    targets: tuple[str, ...]
    formats: tuple[SubtitleFormat, ...] | None
    from_track: bool
    mux: bool
    burn: bool

    def input(self, path: Path, config: BatchConfig) -> Input:
        """The input that a file is; `config` has what is the same for all of them."""
        if is_subtitle_file(path):
            return self._document(path, config)
        suffix = container_suffix(path)
        videos: list[str] = []
        if self.mux:
            videos.append(f"{SUBTITLED}{suffix}")
        if self.burn:
            language = f".{self.targets[0]}" if self.targets else ""
            videos.append(f"{language}{BURNED}{suffix}")
        source = self.source or (None if self.from_track else "en")
        source = None if source == "auto" else source
        own = replace(config, source=source, formats=self.formats or ("srt",))
        return Input(path, own, path, videos=tuple(videos))

    def _document(self, path: Path, config: BatchConfig) -> Input:
        named = named_language(path)
        source = named if self.source in (None, "auto") else self.source
        own = replace(config, source=source or "en", formats=self.formats or (file_format(path),))
        base = path.with_name(Path(path.stem).stem + path.suffix) if named == source else path
        return Input(path, own, base, is_document=True)


def in_folder(folder: Path, wanted: Wanted) -> Iterator[Path]:
    """The recordings in a folder and those in it, and the subtitle files in the source language
    that stand alone; nothing that is hidden, or that we have made."""
    files = [path for path in sorted(folder.rglob("*")) if not _is_hidden(path, folder)]
    recordings = [path for path in files if _is_recording(path)]
    yield from recordings
    taken = {path.parent / path.stem for path in recordings}
    source = "en" if wanted.source in (None, "auto") else wanted.source
    for path in files:
        if wanted.targets and is_subtitle_file(path) and named_language(path) == source:
            base = path.parent / Path(path.stem).stem
            if base not in taken:
                taken.add(base)
                yield path


def all_files(paths: Iterable[Path], wanted: Wanted) -> list[Path]:
    """The files that are named, and those in the folders that are named, each once."""
    found = (in_folder(path, wanted) if path.is_dir() else (path,) for path in paths)
    return list(dict.fromkeys(path for some in found for path in some))


def _is_recording(path: Path) -> bool:
    is_ours = Path(path.stem).suffix in (SUBTITLED, BURNED)
    return path.suffix.lower() in _RECORDINGS and not is_ours and path.is_file()


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
