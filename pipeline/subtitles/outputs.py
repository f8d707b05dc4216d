"""Which subtitle files belong to a recording, and what stands in them.

All is decided by names; only `is_finished` looks which files there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import BatchConfig, SubtitleFormat
from ..events import SourceSegment
from .build import bilingual_cues, source_cues, translated_cues
from .check import SubtitleRules
from .cues import Cue


@dataclass(frozen=True, slots=True)
class Track:
    """One subtitle file to write: a language, or two in the same cues."""

    languages: tuple[str, ...]
    format: SubtitleFormat
    path: Path


def tracks(path: Path, config: BatchConfig, language: str) -> list[Track]:
    """The files that belong to a recording in `language`: NAME.en.srt, NAME.es.srt, and with
    `bilingual` NAME.en-es.srt."""
    targets = [target for target in config.targets if target != language]
    wanted: list[tuple[str, ...]] = [(language,), *((target,) for target in targets)]
    if config.bilingual:
        wanted += [(language, target) for target in targets]
    folder = config.output_dir or path.parent
    return [
        Track(languages, extension, folder / f"{path.stem}.{'-'.join(languages)}.{extension}")
        for languages in wanted
        for extension in config.formats
    ]


def is_finished(path: Path, config: BatchConfig) -> bool:
    """Whether all files of a recording exist; where its language is not known, for any language."""
    if config.source is not None:
        languages = {config.source}
    else:
        languages = _languages_beside(path, config)
    return any(
        all(track.path.exists() for track in tracks(path, config, language))
        for language in languages
    )


def _languages_beside(path: Path, config: BatchConfig) -> set[str]:
    """The languages in which a recording has a file."""
    folder = config.output_dir or path.parent
    pattern = re.compile(rf"{re.escape(path.stem)}\.([a-z]{{2}})\.[a-z]+")
    names = (each.name for each in folder.iterdir()) if folder.is_dir() else ()
    return {found[1] for name in names if (found := pattern.fullmatch(name))}


def clashes(paths: Iterable[Path], output_dir: Path | None) -> dict[Path, Path]:
    """The recordings that would write the files of an earlier one, and this one."""
    first: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    for path in paths:
        target = (output_dir or path.parent) / path.stem
        if target in first:
            found[path] = first[target]
        else:
            first[target] = path
    return found


def track_cues(
    track: Track,
    language: str,
    segments: Sequence[SourceSegment],
    translations: Mapping[str, Sequence[str]],
    rules: SubtitleRules,
) -> list[Cue]:
    """The cues of one file: `segments` are what was said in `language`, in written form, and
    `translations` hold one text per segment and target language."""
    target = track.languages[-1]
    if target == language:
        return source_cues(segments, language, rules)
    make = bilingual_cues if len(track.languages) == 2 else translated_cues
    return make(segments, translations[target], language, target, rules)
