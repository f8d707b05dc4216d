"""Which files belong to a recording or a subtitle file, and what stands in them.

All is decided by names; what is finished, by which files there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import BatchConfig, SubtitleFormat
from ..events import SourceSegment
from ..text.codes import two_letters
from .build import bilingual_cues, source_cues, translated_cues
from .check import SubtitleRules
from .cues import Cue

ANY_LANGUAGE = "xx"  # where it is not known yet; as long as any other


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


def named_language(path: Path) -> str | None:
    """The language, ISO 639-1, that the name of a subtitle file tells: NAME.en.srt."""
    return two_letters(Path(path.stem).suffix.removeprefix("."))


@dataclass(frozen=True, slots=True)
class Input:
    """What files are made of: a recording, or a subtitle file that is translated.

    `config` is its own, with the language and the formats that are meant for it. All its files are
    in the folder and begin with the stem of `base`. `videos` are the suffixes of the videos with
    subtitles that are wanted: ".subtitled.mkv".
    """

    path: Path
    config: BatchConfig
    base: Path
    is_document: bool = False
    videos: tuple[str, ...] = ()

    def tracks(self, language: str) -> list[Track]:
        """The subtitle files to write; not one that is the input."""
        found = tracks(self.base, self.config, language)
        return [each for each in found if not self.is_document or each.languages != (language,)]

    def files(self, language: str) -> list[Path]:
        """All files to write."""
        folder = self.config.output_dir or self.base.parent
        videos = [folder / f"{self.base.stem}{suffix}" for suffix in self.videos]
        return [*(track.path for track in self.tracks(language)), *videos]

    def possible_files(self) -> list[Path]:
        """The files that it may get; where its language is not known, in place of one."""
        return self.files(self.config.source or ANY_LANGUAGE)

    def language(self) -> str | None:
        """Its language: the one that is known, else one in which all subtitle files exist."""
        if self.config.source is not None:
            return self.config.source
        for language in sorted(_languages_beside(self.base, self.config)):
            if all(track.path.exists() for track in self.tracks(language)):
                return language
        return None

    def has_subtitles(self) -> bool:
        """Whether all subtitle files exist."""
        language = self.language()
        return language is not None and all(track.path.exists() for track in self.tracks(language))

    def is_finished(self) -> bool:
        """Whether all files exist."""
        language = self.language()
        return language is not None and all(path.exists() for path in self.files(language))


def _languages_beside(path: Path, config: BatchConfig) -> set[str]:
    """The languages in which a recording has a file."""
    folder = config.output_dir or path.parent
    pattern = re.compile(rf"{re.escape(path.stem)}\.([a-z]{{2}})\.[a-z]+")
    names = (each.name for each in folder.iterdir()) if folder.is_dir() else ()
    return {found[1] for name in names if (found := pattern.fullmatch(name))}


def clashes(inputs: Iterable[Input]) -> dict[Path, Path]:
    """The inputs that would write a file of an earlier one, and this one."""
    first: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    for each in inputs:
        files = each.possible_files()
        taken = [first[path] for path in files if path in first]
        if taken:
            found[each.path] = taken[0]
        else:
            first |= dict.fromkeys(files, each.path)
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
        return source_cues(segments, rules)
    make = bilingual_cues if len(track.languages) == 2 else translated_cues
    return make(segments, translations[target], target, rules)
