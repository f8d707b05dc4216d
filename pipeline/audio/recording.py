"""Recordings: whatever FFmpeg decodes, as a stream of 16 kHz mono, in step with the media's clock.

Memory does not grow with the length: packets are decoded one by one and leave in chunks of 1 s.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from ..errors import MediaError
from ..events import AudioChunk, Samples
from .pcm import SAMPLE_RATE_HZ, from_s16

CHUNK_SAMPLES = SAMPLE_RATE_HZ
SYNC_TOLERANCE_SAMPLES = SAMPLE_RATE_HZ // 10  # from here FFmpeg's own -async corrects by force
CLOCK_JUMP_SAMPLES = 10 * SAMPLE_RATE_HZ  # backward by this: time stamps started anew
MAX_HOLE_SAMPLES = 3600 * SAMPLE_RATE_HZ  # where the length is unknown, more is a broken time stamp
MAX_BROKEN_PACKETS = 100  # in a row: about 2 s of AAC or Opus

_MP4, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"  # FFmpeg's names
_MAX_WAV_BYTES = 0x7FFF_0000  # a greater length is stated where it was not known yet


def read_audio(path: Path) -> Iterator[AudioChunk]:
    """Decode the best audio track of a recording from media time 0, in chunks of about 1 s.

    Holes in the track, and a late start, become silence, so that times match the picture. Damaged
    packets become silence too. Raises MediaError, possibly after some chunks, for a file that is
    not a recording, has no audio, or breaks off.
    """
    start_sample = 0
    with _open(path) as media:
        for samples in _in_chunks(_decode(media)):
            yield AudioChunk(start_sample, samples)
            start_sample += samples.size


def probe_duration_ms(path: Path) -> int | None:
    """The length that the container states, None where it does not. Raises MediaError."""
    with _open(path) as media:
        return None if media.end_sample is None else 1000 * media.end_sample // SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Media:
    path: Path
    container: InputContainer
    stream: AudioStream
    origin_s: Fraction  # the time stamp that is media time 0
    end_sample: int | None  # None: unknown

    def sample_at(self, timestamp: int, time_base: Fraction) -> int:
        return int((timestamp * time_base - self.origin_s) * SAMPLE_RATE_HZ)


@contextmanager
def _open(path: Path) -> Generator[_Media]:
    try:
        _refuse_non_media(path)
        container = av.open(str(path))
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist; check the name") from error
    except PermissionError as error:
        raise MediaError(f"{path} may not be read; check its permissions") from error
    except (FFmpegError, OSError) as error:
        raise MediaError(_why_not_opened(path)) from error
    with container:
        stream = cast(AudioStream | None, container.streams.best("audio"))
        if stream is None:
            raise MediaError(f"{path} has no audio track; there is nothing to subtitle in it")
        origin_us, end_us = _extent_us(path, container)
        yield _Media(
            path=path,
            container=container,
            stream=stream,
            origin_s=Fraction(origin_us, av.time_base),
            end_sample=None if end_us is None else end_us * SAMPLE_RATE_HZ // av.time_base,
        )


def _refuse_non_media(path: Path) -> None:
    """Say what FFmpeg would not; and keep it from text, where playlists may name any address."""
    if path.is_dir():
        raise MediaError(f"{path} is a folder; name the recordings in it")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise MediaError(f"{path} is empty (0 bytes); copy or download it again")
    if b"\0" not in head and head.decode(errors="replace").count("\N{REPLACEMENT CHARACTER}") < 2:
        raise MediaError(f"{path} holds text, not audio or video; check that it is the right file")


def _why_not_opened(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":
            return f"{path} is incomplete: its index is missing; copy, download or export it again"
    return (
        f"{path} is damaged, or not a recording; copy or download it again, "
        "or convert it to flac with FFmpeg"
    )


def _extent_us(path: Path, container: InputContainer) -> tuple[int, int | None]:
    """The time stamp of media time 0, and the end in media time (None: unknown).

    MP4 and Matroska have a clock that starts at media time 0: a track that starts late is meant to.
    Elsewhere the clock starts anywhere, and players count from the first packet.
    """
    start_us = cast("int | None", container.start_time) or 0
    duration_us = container.duration or None
    if container.format.name == _MATROSKA:
        return 0, duration_us
    if container.format.name == _MP4:  # FFmpeg tells its duration without the late start
        return 0, duration_us and start_us + duration_us
    if container.format.name == "wav":  # FFmpeg tells what is there, not what should be
        return 0, duration_us and duration_us * _stated_wav_bytes(path) // path.stat().st_size
    return start_us, duration_us


def _stated_wav_bytes(path: Path) -> int:
    with path.open("rb") as file:
        stated_bytes = 8 + int.from_bytes(file.read(8)[4:], "little")
    actual_bytes = path.stat().st_size
    return actual_bytes if stated_bytes > _MAX_WAV_BYTES else max(stated_bytes, actual_bytes)


def _states_length(media: _Media) -> bool:
    """Whether the length is known from the file's head, and not estimated from its size."""
    container, stream = media.container, media.stream
    if container.format.name != "mp3":
        return container.format.name in (_MP4, _MATROSKA, "flac", "wav")
    # An MP3 that tells of its encoder's delay tells its length too. FFmpeg does not believe it
    # where several are joined to one: then its duration is what the size and the bit rate make.
    estimate_us = 8 * container.size * av.time_base // (stream.bit_rate or 1)
    return bool(stream.start_time) and abs(estimate_us / (container.duration or 1) - 1) > 0.01


def _decode(media: _Media) -> Iterator[Samples]:
    """Yield the track on its timeline, pieces of any length; raise when the file breaks off."""
    timeline = _Timeline(media)
    broken_packets = 0
    reached_sample = 0  # the end of what the file holds, all tracks: they may end before the other
    try:
        for packet in media.container.demux():
            reached_sample = max(reached_sample, _packet_end_sample(media, packet))
            if packet.stream_index != media.stream.index:
                continue
            try:
                decoded = cast("list[AudioFrame]", packet.decode())
            except InvalidDataError as error:
                broken_packets += 1
                if broken_packets > MAX_BROKEN_PACKETS:
                    raise _damaged(media, timeline.position) from error
                continue
            for audio in decoded:
                broken_packets = 0
                yield from timeline.push(audio)
        yield from timeline.flush()
    except FFmpegError as error:
        raise _damaged(media, timeline.position) from error
    if not timeline.position:
        raise MediaError(f"{media.path}: none of its audio can be decoded; convert it to flac")
    _check_complete(media, reached_sample)


def _packet_end_sample(media: _Media, packet: Packet[Stream]) -> int:
    if packet.pts is None:
        return 0
    return media.sample_at(packet.pts + (packet.duration or 0), packet.time_base)


def _check_complete(media: _Media, reached_sample: int) -> None:
    if media.end_sample is None or not _states_length(media):
        return
    tolerance_samples = max(SAMPLE_RATE_HZ, media.end_sample // 100)
    if reached_sample + tolerance_samples < media.end_sample:
        raise MediaError(
            f"{media.path} breaks off at {_clock(reached_sample)} of {_clock(media.end_sample)}; "
            "copy or download it again"
        )


def _damaged(media: _Media, sample: int) -> MediaError:
    return MediaError(
        f"{media.path} is damaged and cannot be decoded beyond {_clock(sample)}; "
        "copy or download it again"
    )


def _clock(sample: int) -> str:
    minutes, seconds = divmod(sample // SAMPLE_RATE_HZ, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


class _Timeline:
    """Puts decoded audio where its time stamps say: holes become silence, overlaps are cut."""

    def __init__(self, media: _Media) -> None:
        self.position = 0  # samples yielded so far
        self._media = media
        self._resampler: AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None  # what the resampler was made for
        self._overlap_samples = 0
        self._shift_samples = 0  # grows when the time stamps start anew

    def push(self, audio: AudioFrame) -> Iterator[Samples]:
        missing_samples = self._missing_before(audio)
        if missing_samples > 0:
            yield from self.flush()
            yield from self._advance(_silence(missing_samples))
        elif missing_samples < 0:
            self._overlap_samples = -missing_samples
        form = (audio.format.name, audio.layout.name, audio.sample_rate)
        if form != self._input:  # it may change in the middle of a track
            yield from self.flush()
        if self._resampler is None:
            # NOTE: 16 bits: in floating point FFmpeg mixes stereo to mono 1.41 times too loud.
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
            self._input = form
        yield from self._advance(_samples(self._resampler.resample(audio)))

    def flush(self) -> Iterator[Samples]:
        """Yield what the resampler still holds."""
        if self._resampler is not None:
            resampler, self._resampler = self._resampler, None
            yield from self._advance(_samples(resampler.resample(None)))

    def _missing_before(self, audio: AudioFrame) -> int:
        if audio.pts is None or audio.time_base is None:
            return 0
        start = self._media.sample_at(audio.pts, audio.time_base) + self._shift_samples
        missing = start - self.position
        if abs(missing) <= SYNC_TOLERANCE_SAMPLES:
            return 0
        latest = self._media.end_sample or self.position + MAX_HOLE_SAMPLES
        if missing < -CLOCK_JUMP_SAMPLES or start > latest:
            self._shift_samples -= missing
            return 0
        return missing

    def _advance(self, pieces: Iterable[Samples]) -> Iterator[Samples]:
        for piece in pieces:
            cut = min(self._overlap_samples, piece.size)
            self._overlap_samples -= cut
            self.position += piece.size - cut
            if cut < piece.size:
                yield piece[cut:]


def _samples(resampled: Iterable[AudioFrame]) -> Iterator[Samples]:
    for audio in resampled:
        yield from_s16(cast("NDArray[np.int16]", audio.to_ndarray()[0]))


def _silence(sample_count: int) -> Iterator[Samples]:
    for start in range(0, sample_count, CHUNK_SAMPLES):
        yield np.zeros(min(CHUNK_SAMPLES, sample_count - start), np.float32)


def _in_chunks(pieces: Iterable[Samples]) -> Iterator[Samples]:
    """Join pieces to chunks of CHUNK_SAMPLES or a little more; the last one may be shorter."""
    waiting: list[Samples] = []
    waiting_samples = 0
    for piece in pieces:
        waiting.append(piece)
        waiting_samples += piece.size
        if waiting_samples >= CHUNK_SAMPLES:
            yield np.concatenate(waiting)
            waiting, waiting_samples = [], 0
    if waiting:
        yield np.concatenate(waiting)
