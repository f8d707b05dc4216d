"""Where the texts of the cues stand in a TTML document (pure).

The numbers of sections are those of "Timed Text Markup Language 2" (W3C, 2018).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from .scanning import Found

_CLOCK = re.compile(r"(\d{1,5}):(\d\d):(\d\d)(?:(\.\d+)|:(\d{1,5})(?:\.\d+)?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d+)?)(h|m|s|ms|f|t)")
_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BREAK = re.compile(r"<(?:\w+:)?br\b[^>]*?(?:/>|>\s*</(?:\w+:)?br>)")
MOST_MS = 100_000 * 3_600_000
MOST_NESTED = 100  # elements


def scan_ttml(text: str) -> list[Found]:
    """The paragraphs, with their times from the begin of the document. Raises ValueError."""
    return _Scan(text).found()


@dataclass(slots=True)
class _Element:
    """An open element that may have times: where it begins in the media, and what is known of it
    as a paragraph."""

    name: str
    begin_ms: float
    end_ms: float | None
    is_preserved: bool
    content: int = -1  # the byte at which the content of a paragraph begins
    children: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])


class _Scan:
    """One document. expat counts bytes, of UTF-8."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-8", "surrogatepass")
        self._text = text
        self._open: list[_Element] = []
        self._paragraphs: list[tuple[_Element, int]] = []
        self._frame_rate, self._tick_rate = 30.0, 1.0  # 6.2.3, 6.2.10
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def found(self) -> list[Found]:
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise ValueError(
                f"line {error.lineno} is not XML: {expat.ErrorString(error.code)}"
            ) from error
        # Characters before a byte: only where they are not the same must they be counted.
        is_plain = len(self._data) == len(self._text)
        found: list[Found] = []
        at_byte = at_char = 0
        for element, end_byte in self._paragraphs:
            edges: list[int] = []
            for byte in (element.content, end_byte):
                part = self._data[at_byte:byte]
                at_char += len(part) if is_plain else len(part.decode("utf-8", "surrogatepass"))
                at_byte = byte
                edges.append(at_char)
            found.append(self._cue(element, *edges))
        return found

    def _cue(self, element: _Element, start: int, end: int) -> Found:
        raw = self._text[start:end]
        if not element.is_preserved:  # 8.2.10: blanks in a row are one
            raw = re.sub(r"\s+", " ", raw).strip()
        lines = _lines(raw)
        begin_ms, end_ms = element.begin_ms, element.end_ms
        if end_ms is None:  # then its spans have times
            times = [time for span in element.children for time in span] or [begin_ms]
            begin_ms, end_ms = min(times), max(times)
        return Found(start, end, round(begin_ms), round(end_ms), lines)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open:
            self._read_rates(attributes)
        above = self._open[-1] if self._open else _Element("", 0.0, None, False)
        begin_ms = above.begin_ms + self._ms(attributes.get("begin"), 0.0)
        end_ms = None
        if "dur" in attributes:
            end_ms = begin_ms + self._ms(attributes["dur"], 0.0)
        elif "end" in attributes:
            end_ms = above.begin_ms + self._ms(attributes["end"], 0.0)
        space = attributes.get("xml:space")
        is_preserved = above.is_preserved if space is None else space == "preserve"
        if len(self._open) == MOST_NESTED:
            raise ValueError(f"more than {MOST_NESTED} of its elements stand in one another")
        name = tag.rpartition(":")[2]
        element = _Element(name, begin_ms, end_ms, is_preserved)
        for parent in self._open:
            if parent.name == "p" and end_ms is not None:
                parent.children.append((begin_ms, end_ms))
        if name == "p":
            start = self._parser.CurrentByteIndex
            element.content = self._tag_end(start)
        self._open.append(element)

    def _end(self, tag: str) -> None:
        element = self._open.pop()
        end_byte = self._parser.CurrentByteIndex
        if element.name == "p" and element.content <= end_byte:  # not <p/>
            self._paragraphs.append((element, end_byte))

    def _tag_end(self, start: int) -> int:
        """The byte after the tag that begins at `start`; a > may stand in its values."""
        quote = b""
        for at in range(start, len(self._data)):
            char = self._data[at : at + 1]
            if quote:
                quote = b"" if char == quote else quote
            elif char in (b'"', b"'"):
                quote = char
            elif char == b">":
                empty = self._data[at - 1 : at] == b"/"
                return len(self._data) + 1 if empty else at + 1
        return len(self._data)

    def _read_rates(self, attributes: dict[str, str]) -> None:
        """Raises ValueError."""
        values = {name.rpartition(":")[2]: value for name, value in attributes.items()}
        try:
            self._frame_rate = float(values.get("frameRate", 30))
            numerator, denominator = values.get("frameRateMultiplier", "1 1").split()
            self._frame_rate *= float(numerator) / float(denominator)
            default = self._frame_rate if "frameRate" in values else 1
            self._tick_rate = float(values.get("tickRate", default))
            is_right = 0 < self._frame_rate < math.inf and 0 < self._tick_rate < math.inf
        except (ValueError, ZeroDivisionError):
            is_right = False
        if not is_right:
            raise ValueError("its frame rate or tick rate is no rate")

    def _ms(self, time: str | None, default: float) -> float:
        """A time expression (10.3.1). Raises ValueError."""
        if time is None:
            return default
        if found := _CLOCK.fullmatch(time.strip()):
            hours, minutes, seconds, fraction, frames = found.groups()
            whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            return 1000 * (whole + float(fraction or 0) + int(frames or 0) / self._frame_rate)
        if found := _OFFSET.fullmatch(time.strip()):
            scale = _MS | {"f": 1000 / self._frame_rate, "t": 1000 / self._tick_rate}
            if (time_ms := float(found[1]) * scale[found[2]]) < MOST_MS:
                return time_ms
        raise ValueError(f"{time!r:.40} is no time of TTML")

    def _refuse_doctype(self, *_: object) -> None:
        raise ValueError("it declares entities of its own, which subtitles do not")


def _lines(raw: str) -> str:
    """The lines of a paragraph, parted by "\\n"; blanks around a break are left out."""
    first, *others = _BREAK.split(raw)
    if not others:
        return first
    *between, last = (part.lstrip() for part in others)
    return "\n".join([first.rstrip(), *(part.rstrip() for part in between), last])
