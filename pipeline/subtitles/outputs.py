"""Which subtitle files belong to a recording, and what stands in them (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def check_names(paths: Sequence[Path], output_dir: Path | None) -> None:
    """Two recordings must not write the same files. Raises ValueError."""
    taken: dict[Path, Path] = {}
    for path in paths:
        target = (output_dir or path.parent) / path.stem
        if other := taken.get(target):
            raise ValueError(f"{other} and {path} would write the same files; rename one of them")
        taken[target] = path


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
