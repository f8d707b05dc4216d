"""Where the texts of the cues stand in SubRip, WebVTT and ASS files (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TIME = r"(?:(\d{1,5}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}[^\n]*(?:\n|\Z)", re.MULTILINE)
_INDEX = re.compile(r"(?:\A|\n)[ \t]*\d+[ \t]*\r?\n\Z")
_BLANK_LINE = re.compile(r"^[ \t]*\r?$", re.MULTILINE)
_ASS_LINE = re.compile(r"^(Format|Dialogue)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE)
_ASS_TIME = re.compile(r"\s*(\d{1,5}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s*")
_ASS_FIELDS = "layer start end style name marginl marginr marginv effect text".split()


@dataclass(frozen=True, slots=True)
class Found:
    """A cue in a file: its text, with lines parted by "\\n", stands from character `start` up to
    `end`."""

    start: int
    end: int
    start_ms: int
    end_ms: int
    text: str
    voice: str = ""


def scan_srt(text: str) -> list[Found]:
    """A text may have blank lines in it: it goes on up to the number of the next cue."""
    found: list[Found] = []
    for timing, limit in _timings(text):
        rest = text[timing.end() : limit]
        if limit < len(text) and (index := _INDEX.search(rest)):
            rest = rest[: index.start()]
        found.append(_cue(timing, rest.rstrip()))
    return found


def scan_vtt(text: str) -> list[Found]:
    """A text ends at a blank line."""
    found: list[Found] = []
    for timing, limit in _timings(text):
        rest = text[timing.end() : limit]
        if blank := _BLANK_LINE.search(rest):
            rest = rest[: blank.start()]
        found.append(_cue(timing, rest.rstrip()))
    return found


def scan_ass(text: str) -> list[Found]:
    """Comments are no cues. Raises ValueError for a line without its fields."""
    events = re.search(r"^\[Events\]", text, re.MULTILINE | re.IGNORECASE)
    fields = _ASS_FIELDS
    found: list[Found] = []
    for line in _ASS_LINE.finditer(text, events.end() if events else len(text)):
        if line[1] == "Format":
            fields = [name.strip().lower() for name in line[2].split(",")]
            continue
        values = line[2].split(",", len(fields) - 1)
        is_usable = {"start", "end"}.issubset(fields) and fields[-1] == "text"
        if len(values) < len(fields) or not is_usable:
            number = 1 + text.count("\n", 0, line.start())
            raise ValueError(f"line {number} has not the {len(fields)} fields of a cue")
        named = dict(zip(fields, values, strict=True))
        raw = values[-1]
        found.append(
            Found(
                line.end() - len(raw),
                line.end(),
                _ass_ms(named["start"]),
                _ass_ms(named["end"]),
                raw.replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", "\u00a0"),
                "\0".join((named.get("style", ""), named.get("name", ""))),
            )
        )
    return found


def _timings(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """The lines with times, each with where the next one begins."""
    timings = list(_TIMING.finditer(text))
    starts = [timing.start() for timing in timings[1:]]
    return zip(timings, [*starts, len(text)], strict=False)


def _cue(timing: re.Match[str], raw: str) -> Found:
    start_ms, end_ms = (_ms(*timing.groups()[at : at + 4]) for at in (0, 4))
    start = timing.end()
    return Found(start, start + len(raw), start_ms, end_ms, raw.replace("\r\n", "\n"))


def _ms(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return 1000 * whole + int(fraction.ljust(3, "0"))


def _ass_ms(time: str) -> int:
    found = _ASS_TIME.fullmatch(time)
    if found is None:
        raise ValueError(f"{time!r:.40} is no time of ASS, like 0:01:02.50")
    return _ms(*found.groups())
