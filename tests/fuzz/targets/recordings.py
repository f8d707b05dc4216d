"""Recordings: sound and text tracks, in what holds them, and packets of Opus."""

from __future__ import annotations

import contextlib
import io
import tempfile
import wave
from functools import cache
from pathlib import Path

import av
import numpy as np

from surtitle.pipeline.audio.container import audio_tracks
from surtitle.pipeline.audio.opus import OpusDecoder
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.audio.upload import Upload
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.subtitles.text_tracks import read_text_track

from ...pipeline.opus_packets import tone_packets
from ...pipeline.subtitles.films import Track, film
from .target import Fuzz, Target, plain

MOST_S = 3600  # of sound that some bytes may claim to be
CODECS = {"flac": "flac", "mp3": "mp3", "ogg": "libopus", "mp4": "aac", "matroska": "pcm_s16le"}


@cache
def recording(container_format: str, codec: str) -> bytes:
    """A tenth of a second of a tone."""
    file = io.BytesIO()
    rate_hz = 48_000
    tone = (8000 * np.sin(np.arange(rate_hz // 10) / 20)).astype(np.int16)
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(stream.format, "mono", rate_hz, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return file.getvalue()


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(bytes(3200))
    return file.getvalue()


def _film() -> bytes:
    """With text tracks of two formats."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "film.mkv"
    tracks = (
        Track("subrip", [(0, 400, b"Hello.")]),
        Track("ass", [(0, 400, b"0,0,Default,,0,0,0,,x")]),
    )
    return film(path, *tracks, seconds=1).read_bytes()


def _upload() -> Fuzz:
    """What somebody sends to the server."""
    av.logging.set_level(av.logging.PANIC)

    def read(data: bytes) -> None:
        with tempfile.TemporaryFile(dir="/dev/shm", buffering=0) as file:
            file.write(data)
            upload = Upload("sent", file)  # type: ignore[arg-type]
            seconds = 0.0
            try:
                audio_tracks(upload)
                for chunk in read_audio(upload, warn=lambda line: None):
                    assert np.isfinite(chunk.samples).all() and chunk.start_sample >= 0
                    seconds += chunk.samples.size / 16_000
                    if seconds > MOST_S:
                        return
            except MediaError as error:
                assert str(error)

    return read


def _text_track() -> Fuzz:
    av.logging.set_level(av.logging.PANIC)
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "film.mkv"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(MediaError):
            read_text_track(path, None)

    return read


def _opus(data: bytes) -> None:
    decoder = OpusDecoder()
    for packet in data.split(b"\xff\xff"):
        with contextlib.suppress(MediaError):
            decoder.push(packet)


TARGETS = [
    Target(
        "recording",
        _upload,
        [_wav(), *(recording(name, codec) for name, codec in CODECS.items())],
        [b"RIFF", b"data\xff\xff\xff\xff", b"\xff\xff\xff\xff", b"moov", b"fmt "],
        1,
    ),
    Target("text_track", _text_track, [_film()], [b"S_TEXT/ASS", b"S_TEXT/UTF8"], 1),
    Target("opus", plain(_opus), [b"\xff\xff".join(tone_packets(5))], [], 2),
]
