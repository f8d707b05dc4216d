"""The text tracks of a video, as subtitle files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import cast

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from ..audio.container import extent_us, open_container
from ..errors import MediaError
from ..text.codes import two_letters
from .documents import Document, parse_document

_PICTURES = frozenset({"dvdsub", "dvbsub", "pgssub", "xsub", ""})  # FFmpeg's decoders; "": none
_UNTIMED_MS = 5000  # how long a text stays that has no end, and that no other one follows
_ASS_TAG = re.compile(r"\{([^{}]*)\}")
_KEPT = re.compile(r"\\([ibus])([01])(?![a-z0-9])|\\(an\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class TextTrack:
    """A text track: its language (ISO 639-1) where the container tells, and what it holds."""

    language: str | None
    document: Document


@dataclass(frozen=True, slots=True)
class _Timed:
    start_ms: int
    end_ms: int | None
    text: str


def read_text_track(path: Path, language: str | None) -> TextTrack:
    """The text track in a language, None: the one that players show; as SubRip, with what that
    knows of tags and places. Raises MediaError."""
    with open_container(path) as container:
        stream = _chosen(path, container, language)
        origin_ms = extent_us(path, container)[0] // 1000
        try:
            timed = list(_texts(container, stream, origin_ms))
        except (FFmpegError, UnicodeDecodeError) as error:
            raise MediaError(f"{path}: its text track cannot be read: {error}") from error
        tag = two_letters(stream.language or "")
    if not timed:
        raise MediaError(f"{path}: its text track holds no text")
    return TextTrack(tag, parse_document(_subrip(timed), "srt"))


def _chosen(path: Path, container: InputContainer, language: str | None) -> SubtitleStream:
    """Of several that would do: no forced one, which holds signs only; then the default one."""
    streams = list(container.streams.subtitles)
    texts = [each for each in streams if _decoder(each) not in _PICTURES]
    if not texts:
        found = "only subtitles that are pictures" if streams else "no subtitles"
        raise MediaError(f"{path} has {found}, so there is no text to take; leave out --from-track")
    tags = [two_letters(each.language or "") for each in texts]
    fitting = [each for each, tag in zip(texts, tags, strict=True) if language in (None, tag)] or [
        each for each, tag in zip(texts, tags, strict=True) if tag is None
    ]
    if not fitting:
        known = ", ".join(filter(None, tags))
        raise MediaError(f"{path} has no text track in {language}, only in {known}")
    return min(
        fitting,
        key=lambda each: (
            Disposition.forced in each.disposition,
            Disposition.default not in each.disposition,
            each.index,
        ),
    )


def _decoder(stream: SubtitleStream) -> str:
    return getattr(stream.codec_context, "name", "")  # a format that FFmpeg lacks has no context


def _texts(container: InputContainer, stream: SubtitleStream, origin_ms: int) -> Iterator[_Timed]:
    is_subrip = _decoder(stream) in ("srt", "subrip")
    for packet in container.demux(stream):
        if packet.pts is None or not packet.size:
            continue
        text = bytes(packet).decode("utf-8-sig") if is_subrip else _decoded(packet)
        if text.strip("\0\r\n\t "):
            start_ms = round(1000 * packet.pts * packet.time_base) - origin_ms
            duration_ms = round(1000 * (packet.duration or 0) * packet.time_base)
            end_ms = start_ms + duration_ms if duration_ms else None
            yield _Timed(max(0, start_ms), end_ms, text)


def _decoded(packet: Packet[SubtitleStream]) -> str:
    """A text of any format, by FFmpeg as ASS, then as SubRip."""
    texts: list[str] = []
    for part in cast("Sequence[object]", packet.decode()):
        if isinstance(part, AssSubtitle):
            fields = part.ass.decode().split(",", 8)
            texts.append(_ASS_TAG.sub(_subrip_tag, fields[-1]))
    return "\n".join(texts).replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", "\u00a0")


def _subrip_tag(found: re.Match[str]) -> str:
    tags = (
        f"{{\\{kept[3]}}}" if kept[3] else f"<{'' if kept[2] == '1' else '/'}{kept[1]}>"
        for kept in _KEPT.finditer(found[1])
    )
    return "".join(tags)


def _subrip(timed: Sequence[_Timed]) -> str:
    """The text of a file; a text without an end stays until the next one comes."""
    blocks: list[str] = []
    for number, (each, after) in enumerate(zip_longest(timed, timed[1:]), start=1):
        end_ms = each.end_ms
        if end_ms is None:
            end_ms = each.start_ms + _UNTIMED_MS
            end_ms = end_ms if after is None else min(end_ms, after.start_ms)
        times = f"{_clock(each.start_ms)} --> {_clock(end_ms)}"
        blocks.append(f"{number}\n{times}\n{_one_block(each.text)}\n")
    return "\n".join(blocks)


def _one_block(text: str) -> str:
    lines = (line.strip("\0 \t") for line in text.replace("\r", "").split("\n"))
    return "\n".join(line for line in lines if line)


def _clock(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02},{milliseconds:03}"
