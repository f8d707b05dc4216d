"""Subtitle files as they stand: the texts of their cues, and all that is between, to be kept.

What is written again with the same texts is the same file, character by character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import SubtitleFormat
from ..errors import MediaError
from ..text.codes import two_letters
from ..text.decoding import decode_text
from .scanning import Found, scan_ass, scan_srt, scan_vtt
from .ttml_scanning import scan_ttml

_SCANS: dict[SubtitleFormat, Callable[[str], list[Found]]] = {
    "srt": scan_srt,
    "vtt": scan_vtt,
    "ass": scan_ass,
    "ttml": scan_ttml,
}
_FORMATS: dict[str, SubtitleFormat] = {
    ".srt": "srt",
    ".vtt": "vtt",
    ".ass": "ass",
    ".ssa": "ass",
    ".ttml": "ttml",
    ".dfxp": "ttml",
    ".xml": "ttml",
}
# How a file says in which language it is: a header of WebVTT, an attribute of TTML.
_LANGUAGE = re.compile(r"""(^Language:[ \t]*|\bxml:lang\s*=\s*["'])([A-Za-z-]+)""", re.MULTILINE)
_BREAKS = {"ass": r"\N", "ttml": "<br/>"}


@dataclass(frozen=True, slots=True)
class FileCue:
    """A cue as it stands in a file: its text with its markup, lines parted by "\\n".

    Sentences run on only from cues of the same `voice`: what an ASS file calls style and name.
    """

    start_ms: int
    end_ms: int
    text: str
    voice: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A subtitle file: its cues in the file's order, their `raw` texts, and what stands before,
    between and after these: one more than there are cues."""

    format: SubtitleFormat
    cues: tuple[FileCue, ...]
    raw: tuple[str, ...]
    between: tuple[str, ...]

    def written(self, texts: Sequence[str | None], source: str, target: str) -> str:
        """The file with other texts, in the form of `FileCue.text`; None leaves one as it stands.

        Where it says that it is in `source`, it says `target` then.
        """
        line_break = _BREAKS.get(self.format, "\r\n" if "\r\n" in self.between[0] else "\n")
        parts = [_renamed(self.between[0], source, target)]
        for raw, text, after in zip(self.raw, texts, self.between[1:], strict=True):
            parts.append(raw if text is None else text.replace("\n", line_break))
            parts.append(_renamed(after, source, target) if self.format == "ttml" else after)
        return "".join(parts)


def is_subtitle_file(path: Path) -> bool:
    return path.suffix.lower() in _FORMATS


def file_format(path: Path) -> SubtitleFormat:
    """The format of a subtitle file, by its name."""
    return _FORMATS[path.suffix.lower()]


def read_document(path: Path) -> Document:
    """Read a subtitle file. Raises MediaError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist; check the name") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return parse_document(decode_text(data), file_format(path))
    except ValueError as error:
        raise MediaError(f"{path}: {error}") from error


def parse_document(text: str, subtitle_format: SubtitleFormat) -> Document:
    """The document of a file's text. Raises ValueError with what is wrong with it."""
    found = _SCANS[subtitle_format](text)
    if not found:
        raise ValueError(f"it holds no cues; it does not seem to be {subtitle_format.upper()}")
    edges = [0, *(edge for each in found for edge in (each.start, each.end)), len(text)]
    return Document(
        subtitle_format,
        tuple(FileCue(each.start_ms, each.end_ms, each.text, each.voice) for each in found),
        tuple(text[each.start : each.end] for each in found),
        tuple(text[edges[at] : edges[at + 1]] for at in range(0, len(edges), 2)),
    )


def _renamed(text: str, source: str, target: str) -> str:
    def rename(found: re.Match[str]) -> str:
        return found[1] + (target if two_letters(found[2]) == source else found[2])

    return _LANGUAGE.sub(rename, text)
