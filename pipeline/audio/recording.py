"""Recordings: whatever FFmpeg decodes, as a stream of 16 kHz mono, in step with the media's clock.

Memory does not grow with the length: packets are decoded one by one and leave in chunks of 1 s.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from ..errors import MediaError
from ..events import AudioChunk, Samples
from .container import AudioChoice, Media, Recording, Warn, open_media
from .mixing import Channels, Mixer
from .pcm import SAMPLE_RATE_HZ

CHUNK_SAMPLES = SAMPLE_RATE_HZ
SYNC_TOLERANCE_SAMPLES = SAMPLE_RATE_HZ // 10  # from here FFmpeg's own -async corrects by force
CLOCK_JUMP_SAMPLES = 10 * SAMPLE_RATE_HZ  # backward by this: time stamps started anew
MAX_HOLE_SAMPLES = 3600 * SAMPLE_RATE_HZ  # where the length is unknown, more is a broken time stamp
MAX_BROKEN_PACKETS = 100  # in a row: about 2 s of AAC or Opus
_FULL_SCALE = {"u8": 1 << 7, "s16": 1 << 15, "s32": 1 << 31, "s64": 1 << 63, "flt": 1, "dbl": 1}

log = logging.getLogger(__name__)

_WHOLE = AudioChoice()


def read_audio(
    path: Recording, choice: AudioChoice = _WHOLE, warn: Warn = log.warning
) -> Iterator[AudioChunk]:
    """Decode a track of a recording from media time 0, in chunks of about 1 s.

    Holes in the track, and a late start, become silence, so that times match the picture. Damaged
    packets become silence too. Of a recording that breaks off there is what it holds, and `warn`
    hears where it ends. Raises MediaError for a file that is not a recording, or has no audio.
    """
    start_sample = 0
    with open_media(path, choice, warn) as media:
        for samples in _in_chunks(_decode(media)):
            yield AudioChunk(start_sample, samples)
            start_sample += samples.size


def _decode(media: Media) -> Iterator[Samples]:
    """Yield the track on its timeline, pieces of any length, up to where the file breaks off."""
    timeline = _Timeline(media)
    reached_sample = 0  # the end of what the file holds, all tracks: they may end before the other
    try:
        for packet in media.container.demux():
            reached_sample = max(reached_sample, _packet_end_sample(media, packet))
            if packet.stream_index == media.stream.index:
                for audio in timeline.decode(packet):
                    yield from timeline.push(audio)
        yield from timeline.flush()
    except FFmpegError as error:
        yield from timeline.flush()
        if timeline.position:
            media.warn(f"it is damaged, and cannot be decoded beyond {_clock(timeline.position)}")
            return
        raise MediaError(
            f"{media.path} is damaged and cannot be decoded; copy or download it again"
        ) from error
    if not timeline.position:
        raise MediaError(f"{media.path}: none of its audio can be decoded; convert it to flac")
    _check_complete(media, reached_sample)


def _packet_end_sample(media: Media, packet: Packet[Stream]) -> int:
    if packet.pts is None:
        return 0
    return media.sample_at(packet.pts + (packet.duration or 0), packet.time_base)


def _check_complete(media: Media, reached_sample: int) -> None:
    if media.end_sample is None or not media.states_length:
        return
    tolerance_samples = max(SAMPLE_RATE_HZ, media.end_sample // 100)
    if reached_sample + tolerance_samples < media.end_sample:
        media.warn(f"it breaks off at {_clock(reached_sample)} of {_clock(media.end_sample)}")


def _clock(sample: int) -> str:
    minutes, seconds = divmod(sample // SAMPLE_RATE_HZ, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


class _Timeline:
    """Puts decoded audio where its time stamps say: holes become silence, overlaps are cut."""

    def __init__(self, media: Media) -> None:
        self.position = 0  # samples yielded so far
        self._media = media
        self._to_mono: _ToMono | None = None
        self._input: tuple[str, str, int] | None = None  # what that was made for
        self._broken_packets = 0  # in a row
        self._overlap_samples = 0
        self._shift_samples = 0  # grows when the time stamps start anew

    def decode(self, packet: Packet[Stream]) -> list[AudioFrame]:
        """Raises FFmpegError where too many packets in a row are broken."""
        try:
            decoded = cast("list[AudioFrame]", packet.decode())
        except InvalidDataError:
            self._broken_packets += 1
            if self._broken_packets > MAX_BROKEN_PACKETS:
                raise
            return []
        if decoded:
            self._broken_packets = 0
        return decoded

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
        if self._to_mono is None:
            self._to_mono, self._input = _ToMono(self._media, audio), form
        yield from self._advance(self._to_mono.push(audio))

    def flush(self) -> Iterator[Samples]:
        """Yield what the resampler still holds."""
        if self._to_mono is not None:
            to_mono, self._to_mono = self._to_mono, None
            yield from self._advance(to_mono.flush())

    def _missing_before(self, audio: AudioFrame) -> int:
        if audio.pts is None or audio.time_base is None:
            return 0
        start = self._media.sample_at(audio.pts, audio.time_base) + self._shift_samples
        waiting = self._to_mono.waiting_samples if self._to_mono else 0
        missing = start - self.position - waiting
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


class _ToMono:
    """Decoded audio of one form, mixed, then resampled to 16 kHz: floating point all the way, so
    that nothing is clipped."""

    def __init__(self, media: Media, first: AudioFrame) -> None:
        names = [channel.name for channel in first.layout.channels]
        self._rate_hz = first.sample_rate
        self._mixer = Mixer(names, self._rate_hz, media.channel, media.warn)
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE_HZ)
        self._taken = self._given = 0  # samples at the track's rate, and at ours

    @property
    def waiting_samples(self) -> int:
        """What was taken and is still held, at 16 kHz."""
        return max(0, self._taken * SAMPLE_RATE_HZ // self._rate_hz - self._given)

    def push(self, audio: AudioFrame) -> Iterator[Samples]:
        self._taken += audio.samples
        for mixed in self._mixer.push(_channels(audio)):
            yield from self._resampled(mixed)

    def flush(self) -> Iterator[Samples]:
        for mixed in self._mixer.flush():
            yield from self._resampled(mixed)
        yield from self._arrays(self._resampler.resample(None))

    def _resampled(self, mixed: Samples) -> Iterator[Samples]:
        mono = AudioFrame.from_ndarray(
            np.ascontiguousarray(mixed[None]), format="fltp", layout="mono"
        )
        mono.sample_rate = self._rate_hz
        yield from self._arrays(self._resampler.resample(mono))

    def _arrays(self, resampled: Iterable[AudioFrame]) -> Iterator[Samples]:
        for audio in resampled:
            samples = cast("NDArray[np.float32]", audio.to_ndarray()[0])
            self._given += samples.size
            yield samples


def _channels(audio: AudioFrame) -> Channels:
    """What was decoded, [C, N] float32, 1 being full scale."""
    name = audio.format.name.removesuffix("p")
    samples = audio.to_ndarray()
    if not audio.format.is_planar:
        samples = samples.reshape(-1, audio.layout.nb_channels).T
    if name in ("flt", "dbl"):
        return samples.astype(np.float32)
    middle = 128 if name == "u8" else 0
    return (samples.astype(np.float32) - middle) / np.float32(_FULL_SCALE[name])


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
