"""Small videos with text tracks, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition


@dataclass(frozen=True)
class Track:
    """A text track: packets as they stand, each with its start and length in ms."""

    codec: str
    packets: Sequence[tuple[int, int, bytes]]
    language: str = ""
    disposition: Disposition = Disposition(0)


def film(path: Path, *tracks: Track, seconds: int = 4) -> Path:
    """A video of 10 pictures a second with a tone, and text tracks."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        texts = [_text(container, track) for track in tracks]
        for at in range(10 * seconds):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), at % 200, np.uint8), "rgb24")
            picture.pts, picture.time_base = at, Fraction(1, 10)
            container.mux(video.encode(picture))
        tone = np.sin(np.arange(16_000 * seconds) / 8).astype(np.float32)[None]
        for start in range(0, tone.shape[1], 1024):
            sound = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(tone[:, start : start + 1024]), "fltp", "mono"
            )
            sound.sample_rate, sound.pts, sound.time_base = 16_000, start, Fraction(1, 16_000)
            container.mux(audio.encode(sound))
        for stream, track in zip(texts, tracks, strict=True):
            for start_ms, duration_ms, data in track.packets:
                packet = av.Packet(data)
                packet.stream = stream
                packet.pts = packet.dts = start_ms
                packet.duration, packet.time_base = duration_ms, Fraction(1, 1000)
                container.mux(packet)
        container.mux([*video.encode(None), *audio.encode(None)])
    return path


def _text(container: av.container.OutputContainer, track: Track) -> av.stream.Stream:
    stream = container.add_mux_stream(track.codec)
    stream.time_base = Fraction(1, 1000)
    if track.language:
        stream.metadata["language"] = track.language
    stream.disposition = track.disposition
    return stream


def packets(path: Path, kind: str) -> list[bytes]:
    """What the first track of a kind holds, packet by packet."""
    with av.open(str(path)) as container:
        (stream, *_) = [each for each in container.streams if each.type == kind]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]
