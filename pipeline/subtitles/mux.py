"""Subtitles into a video as soft tracks: pictures and sound stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream

from ..audio.container import extent_us, open_container
from ..errors import OutputError
from ..text.codes import three_letters
from .cues import Cue
from .files import written_at_once

_MP4 = frozenset({".mp4", ".m4v", ".mov"})
_COPIED = frozenset({"video", "audio", "subtitle", "attachment"})
_TIME_BASE = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class SoftTrack:
    """A track to add; `title` may be empty. Players show the default one unless told otherwise."""

    cues: Sequence[Cue]
    language: str
    title: str
    is_default: bool


def container_suffix(recording: Path) -> str:
    """That of a video with soft tracks: MP4 stays what it is, all else becomes Matroska."""
    return ".mp4" if recording.suffix.lower() in _MP4 else ".mkv"


def mux(recording: Path, tracks: Sequence[SoftTrack], target: Path) -> None:
    """Write `target`: the recording with the tracks, copied packet by packet.

    Raises MediaError and OutputError.
    """
    is_mp4 = target.suffix == ".mp4"
    with open_container(recording) as source, written_at_once(target) as partial:
        try:
            with av.open(f"file:{partial}", "w", format="mp4" if is_mp4 else "matroska") as output:
                _copy(recording, source, output, tracks, is_mp4=is_mp4)
        except FFmpegError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error


def _copy(
    recording: Path,
    source: InputContainer,
    output: OutputContainer,
    tracks: Sequence[SoftTrack],
    *,
    is_mp4: bool,
) -> None:
    output.metadata.update(source.metadata)
    output.set_chapters(source.chapters())
    copied = {
        stream.index: _copied(stream, output, keeps_default=not tracks)
        for stream in source.streams
        if stream.type in _COPIED
    }
    added = [_added(track, output, is_mp4=is_mp4) for track in tracks]
    origin_ms = extent_us(recording, source)[0] // 1000
    texts = merge(
        *(
            _packets(track, stream, origin_ms, is_mp4=is_mp4)
            for track, stream in zip(tracks, added, strict=True)
        ),
        key=_time,
    )
    # Packets of a moment stand together in the file, or players would have to seek.
    following = next(texts, None)
    for packet in source.demux():
        if packet.dts is None or packet.stream_index not in copied:
            continue
        while following is not None and _time(following) <= _time(packet):
            output.mux(following)
            following = next(texts, None)
        packet.stream = copied[packet.stream_index]
        output.mux(packet)
    while following is not None:
        output.mux(following)
        following = next(texts, None)


def _copied(stream: Stream, output: OutputContainer, *, keeps_default: bool) -> Stream:
    copy = output.add_stream_from_template(stream)
    copy.metadata.update(stream.metadata)
    disposition = stream.disposition
    if stream.type == "subtitle" and not keeps_default:  # a file has one default of a kind
        disposition &= ~Disposition.default
    copy.disposition = disposition
    return copy


def _added(track: SoftTrack, output: OutputContainer, *, is_mp4: bool) -> Stream:
    stream = output.add_mux_stream("mov_text" if is_mp4 else "subrip")
    stream.time_base = _TIME_BASE
    stream.metadata["language"] = three_letters(track.language)
    if track.title:
        stream.metadata["title"] = track.title
    stream.disposition = Disposition.default if track.is_default else Disposition(0)
    return stream


def _packets(
    track: SoftTrack, stream: Stream, origin_ms: int, *, is_mp4: bool
) -> Iterator[Packet[Stream]]:
    for cue in track.cues:
        data = "\n".join(cue.lines).encode("utf-8", "replace")
        if is_mp4:  # ISO 14496-17: the length of the text, then the text
            data = len(data).to_bytes(2, "big") + data
        packet = Packet(data)
        packet.stream = stream
        packet.pts = packet.dts = origin_ms + cue.start_ms
        packet.duration = cue.end_ms - cue.start_ms
        packet.time_base = _TIME_BASE
        yield packet


def _time(packet: Packet[Stream]) -> Fraction:
    return (packet.dts or 0) * packet.time_base
