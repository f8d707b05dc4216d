"""Subtitles into a video as soft tracks: pictures and sound stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream

from ..audio.container import Warn, extent_us, open_container
from ..errors import OutputError
from ..text.codes import three_letters
from .cues import Cue
from .files import written_at_once

_CONTAINERS = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov"}
_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
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
    """That of a video that we make: MP4 stays what it is, all else becomes Matroska."""
    return _CONTAINERS.get(recording.suffix.lower(), ".mkv")


def muxer(video: Path) -> str:
    """What FFmpeg calls the container of a video that we make."""
    return _MUXERS[video.suffix]


def mux(recording: Path, tracks: Sequence[SoftTrack], target: Path, warn: Warn) -> None:
    """Write `target`: the recording with the tracks, copied packet by packet.

    `warn` hears of what its container cannot hold. Raises MediaError and OutputError.
    """
    covers = [] if target.suffix != ".mkv" else _covers(recording)
    with open_container(recording) as source, written_at_once(target) as partial:
        try:
            with av.open(f"file:{partial}", "w", format=muxer(target)) as output:
                for name, mimetype, data in covers:
                    output.add_attachment(name, mimetype, data)
                copied = _copied_streams(target, source, output, warn, has_default=bool(tracks))
                origin_ms = extent_us(recording, source)[0] // 1000
                texts = _texts(tracks, output, origin_ms, is_mp4=target.suffix != ".mkv")
                _copy(source, output, copied, texts)
        except FFmpegError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error


def _covers(recording: Path) -> list[tuple[str, str, bytes]]:
    """The pictures that stand for a recording, with name and type: Matroska has them as files."""
    with open_container(recording) as source:
        covers = {stream.index for stream in source.streams if _is_cover(stream)}
        found: dict[int, tuple[str, str, bytes]] = {}
        for packet in source.demux() if covers else ():
            if packet.stream_index in covers and packet.size:
                codec = packet.stream.codec_context.name
                kind = {"mjpeg": "jpeg"}.get(codec, codec)
                name = packet.stream.metadata.get("filename", f"cover.{kind}")
                found.setdefault(packet.stream_index, (name, f"image/{kind}", bytes(packet)))
            if len(found) == len(covers):
                break
        return list(found.values())


def _is_cover(stream: Stream) -> bool:
    return stream.type == "video" and Disposition.attached_pic in stream.disposition


def _copied_streams(
    target: Path,
    source: InputContainer,
    output: OutputContainer,
    warn: Warn,
    *,
    has_default: bool,
) -> dict[int, Stream]:
    """The streams of the output by the numbers of those of the source, with all that is said of
    them. Raises OutputError for pictures or sound that the container cannot hold."""
    output.metadata.update(source.metadata)
    output.set_chapters(source.chapters())
    copied: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.type not in _COPIED or (target.suffix == ".mkv" and _is_cover(stream)):
            continue
        try:
            # Opaque: the parameters are copied, and no encoder is looked for.
            copy = output.add_stream_from_template(stream, opaque=True)
        except ValueError as error:
            lost = f"track {stream.index + 1} ({stream.type})"
            if stream.type in ("video", "audio"):
                raise OutputError(f"{target} cannot hold {lost}: {error}") from error
            warn(f"{target} cannot hold {lost}, which is left out: {error}")
            continue
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        if stream.type == "subtitle" and has_default:  # a file has one default of a kind
            copy.disposition &= ~Disposition.default
        copied[stream.index] = copy
    return copied


def _copy(
    source: InputContainer,
    output: OutputContainer,
    copied: Mapping[int, Stream],
    texts: Iterator[Packet[Stream]],
) -> None:
    """Packets of a moment stand together in the file, or players would have to seek."""
    following = next(texts, None)
    for packet in source.demux():
        if not packet.size or packet.stream_index not in copied:  # the last ones are empty
            continue
        while following is not None and _time(following) <= _time(packet):
            output.mux(following)
            following = next(texts, None)
        packet.stream = copied[packet.stream_index]
        output.mux(packet)
    while following is not None:
        output.mux(following)
        following = next(texts, None)


def _texts(
    tracks: Sequence[SoftTrack], output: OutputContainer, origin_ms: int, *, is_mp4: bool
) -> Iterator[Packet[Stream]]:
    """Add the tracks; their packets, in the order of time."""
    added = [_added(track, output, is_mp4=is_mp4) for track in tracks]
    packets = (
        _packets(track, stream, origin_ms, is_mp4=is_mp4)
        for track, stream in zip(tracks, added, strict=True)
    )
    return merge(*packets, key=_time)


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
