"""The container of a recording: its tracks, where its clock begins, and how long it says it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from ..errors import MediaError
from ..text.codes import two_letters
from .pcm import SAMPLE_RATE_HZ
from .upload import UPLOAD_OPTIONS, Upload

Warn = Callable[[str], None]
Recording = Path | Upload

METADATA_ERRORS = "replace"  # titles and names in other encodings than UTF-8 are no reason to fail
_MP4, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"  # FFmpeg's names
_MAX_WAV_BYTES = 0x7FFF_0000  # a greater length is stated where it was not known yet
_MAX_BOXES = 10_000  # of an MP4, read to see whether it is fragmented

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AudioChoice:
    """What of a recording is heard. `track` and `channel` count from 1, in the file's order.

    Without a `track`: the first that is tagged with `language` (ISO 639-1), else the first that is
    enabled by default, as players do. Without a `channel`: all of the track's, mixed.
    """

    language: str | None = None
    track: int | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        for name, number in (("track", self.track), ("channel", self.channel)):
            if number is not None and number < 1:
                raise ValueError(f"the {name} must be 1 or more, got {number}")


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """An audio track, counted from 1; `language` is the container's tag as ISO 639-1, if known.
    `channels` is 0 where FFmpeg does not know its format."""

    number: int
    language: str | None
    title: str
    channels: int

    def __str__(self) -> str:
        said = ", ".join(filter(None, [self.language, self.title]))
        return f"{self.number} ({said})" if said else str(self.number)


@dataclass(frozen=True, slots=True)
class Media:
    """An open recording, with the track that is heard.

    `warn` hears, in a sentence, what is wrong with the recording while it can still be used.
    """

    path: Recording
    container: InputContainer
    stream: AudioStream
    channel: int | None  # from 0
    origin_s: Fraction  # the time stamp that is media time 0
    end_sample: int | None  # None: unknown
    states_length: bool  # the length is stated by the file's head, not estimated from its size
    warn: Warn

    def sample_at(self, timestamp: int, time_base: Fraction) -> int:
        return int((timestamp * time_base - self.origin_s) * SAMPLE_RATE_HZ)


def audio_tracks(path: Recording) -> list[AudioTrack]:
    """The audio tracks of a recording. Raises MediaError."""
    with _with_audio(path, {}) as container:
        return _tracks(container)


def channel_count(path: Recording, choice: AudioChoice) -> int:
    """How many channels the chosen track has. Raises MediaError."""
    with _with_audio(path, {}) as container:
        return _stream(path, container, choice).channels


def probe_duration_ms(path: Recording) -> int | None:
    """The length that the container states, None where it does not. Raises MediaError."""
    with open_media(path, AudioChoice(), lambda line: None) as media:
        return None if media.end_sample is None else 1000 * media.end_sample // SAMPLE_RATE_HZ


@contextmanager
def open_media(path: Recording, choice: AudioChoice, warn: Warn = log.warning) -> Generator[Media]:
    """Open a recording at the track that is to be heard. Raises MediaError."""
    with _with_audio(path, _options(path, warn)) as container:
        stream = _stream(path, container, choice)
        origin_us, end_us = extent_us(path, container)
        yield Media(
            path=path,
            container=container,
            stream=stream,
            channel=_channel(path, stream, choice),
            origin_s=Fraction(origin_us, av.time_base),
            end_sample=None if end_us is None else end_us * SAMPLE_RATE_HZ // av.time_base,
            states_length=_states_length(path, container, stream),
            warn=lambda line: warn(f"{path}: {line}"),
        )


@contextmanager
def open_container(
    path: Recording, options: dict[str, str] | None = None
) -> Generator[InputContainer]:
    """Open whatever FFmpeg knows; of an upload only what is a recording in itself.

    Raises MediaError.
    """
    with ExitStack() as stack:
        try:
            _refuse_non_media(path)
            if isinstance(path, Path):  # a name like "10:30.ogg" would be an address
                container = av.open(
                    f"file:{path}", options=options or {}, metadata_errors=METADATA_ERRORS
                )
            else:
                reader = stack.enter_context(path.open())
                container = av.open(
                    reader,
                    "r",
                    options=(options or {}) | UPLOAD_OPTIONS,
                    metadata_errors=METADATA_ERRORS,
                )
        except FileNotFoundError as error:
            raise MediaError(f"{path} does not exist; check the name") from error
        except PermissionError as error:
            raise MediaError(f"{path} may not be read; check its permissions") from error
        except (FFmpegError, OSError) as error:
            raise MediaError(_why_not_opened(path)) from error
        with container:
            yield container


@contextmanager
def _with_audio(path: Recording, options: dict[str, str]) -> Generator[InputContainer]:
    with open_container(path, options) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no audio track; there is nothing to subtitle in it")
        yield container


def _refuse_non_media(path: Recording) -> None:
    """Say what FFmpeg would not; and keep it from text, where playlists may name any address."""
    if path.is_dir():
        raise MediaError(f"{path} is a folder; name the recordings in it")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise MediaError(f"{path} is empty (0 bytes); copy or download it again")
    if b"\0" not in head and head.decode(errors="replace").count("\N{REPLACEMENT CHARACTER}") < 2:
        raise MediaError(f"{path} holds text, not audio or video; check that it is the right file")


def _why_not_opened(path: Recording) -> str:
    with path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":
            return f"{path} is incomplete: its index is missing; copy, download or export it again"
    return (
        f"{path} is damaged, or not a recording; copy or download it again, "
        "or convert it to flac with FFmpeg"
    )


def _tracks(container: InputContainer) -> list[AudioTrack]:
    return [
        AudioTrack(
            number,
            two_letters(stream.metadata.get("language", "")),
            stream.metadata.get("title", ""),
            stream.channels if _is_known(stream) else 0,
        )
        for number, stream in enumerate(container.streams.audio, start=1)
    ]


def _is_known(stream: AudioStream) -> bool:
    """Whether FFmpeg knows its format."""
    return cast("AudioCodecContext | None", stream.codec_context) is not None


def _stream(path: Recording, container: InputContainer, choice: AudioChoice) -> AudioStream:
    streams, tracks = container.streams.audio, _tracks(container)
    if choice.track is not None:
        if choice.track > len(streams):
            listed = ", ".join(map(str, tracks))
            raise MediaError(f"{path} has no audio track {choice.track}, only {listed}")
        streams, tracks = (streams[choice.track - 1],), [tracks[choice.track - 1]]
    known = [each for each in zip(streams, tracks, strict=True) if _is_known(each[0])]
    if not known:
        raise MediaError(f"{path}: its audio is in no format that FFmpeg knows; convert it to flac")
    spoken = [
        stream
        for stream, track in known
        if choice.language is not None and track.language == choice.language
    ]
    enabled = [stream for stream, _ in known if Disposition.default in stream.disposition]
    return [*spoken, *enabled, known[0][0]][0]


def _channel(path: Recording, stream: AudioStream, choice: AudioChoice) -> int | None:
    if choice.channel is None:
        return None
    if choice.channel > stream.channels:
        raise MediaError(f"{path} has no channel {choice.channel}: its track has {stream.channels}")
    return choice.channel - 1


def extent_us(path: Recording, container: InputContainer) -> tuple[int, int | None]:
    """The time stamp of media time 0, and the end in media time (None: unknown).

    MP4 and Matroska have a clock that starts at media time 0: a track that starts late is meant to.
    Elsewhere, and in pieces of a broadcast (fragmented MP4), the clock starts anywhere, and players
    count from the first packet.
    """
    start_us = cast("int | None", container.start_time) or 0
    duration_us = container.duration or None
    if container.format.name == _MATROSKA:
        return 0, duration_us
    if container.format.name == _MP4:
        if _is_fragmented(path):  # FFmpeg's duration is then the end on the clock
            return start_us, duration_us and duration_us - start_us
        return 0, duration_us and start_us + duration_us  # else it leaves out a late start
    if container.format.name == "wav":  # FFmpeg tells what is there, not what should be
        return 0, duration_us and duration_us * _stated_wav_bytes(path) // path.stat().st_size
    return start_us, duration_us


def _is_fragmented(path: Recording) -> bool:
    """Whether an MP4 comes in fragments, each with its own index: a box "moof" at the top."""
    return any(kind == b"moof" for kind in _boxes(path))


def _boxes(path: Recording) -> Iterator[bytes]:
    """The kinds of the boxes at the top of an MP4 (ISO 14496-12, 4.2)."""
    with path.open("rb") as file:
        for _ in range(_MAX_BOXES):
            head = file.read(8)
            if len(head) < 8:
                return
            size = int.from_bytes(head[:4], "big")
            yield head[4:]
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:  # 0: to the end of the file
                return
            file.seek(size - 8, 1)


def _stated_wav_bytes(path: Recording) -> int:
    with path.open("rb") as file:
        stated_bytes = 8 + int.from_bytes(file.read(8)[4:], "little")
    actual_bytes = path.stat().st_size
    return actual_bytes if stated_bytes > _MAX_WAV_BYTES else max(stated_bytes, actual_bytes)


def _options(path: Recording, warn: Warn) -> dict[str, str]:
    """FFmpeg's, for a WAV whose head promises less sound than the file holds: a recorder that was
    cut off wrote the length at its start, and not at its end."""
    lost_bytes = _unpromised_wav_bytes(path)
    if not lost_bytes:
        return {}
    warn(
        f"{path}: its head promises less than the file holds; the {lost_bytes / 1e6:.1f} MB behind "
        "are taken for sound too"
    )
    return {"ignore_length": "1"}


def _unpromised_wav_bytes(path: Recording) -> int:
    """What stands behind the data of a WAV and is no chunk of it."""
    if not path.is_file():
        return 0
    actual_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        at, has_data = 12, False
        while at + 8 <= actual_bytes:
            file.seek(at)
            chunk = file.read(8)
            size = int.from_bytes(chunk[4:], "little")
            if not chunk[:4].isascii() or not chunk[:4].decode("ascii").isprintable():
                break
            if size > _MAX_WAV_BYTES:
                return 0
            has_data = has_data or chunk[:4] == b"data"
            at += 8 + size + size % 2
    return max(0, actual_bytes - at) if has_data and at + 8 <= actual_bytes else 0


def _states_length(path: Recording, container: InputContainer, stream: AudioStream) -> bool:
    if container.format.name == _MP4:
        return not _is_fragmented(path)
    if container.format.name != "mp3":
        return container.format.name in (_MATROSKA, "flac", "wav")
    # An MP3 that tells of its encoder's delay tells its length too. FFmpeg does not believe it
    # where several are joined to one: then its duration is what the size and the bit rate make.
    estimate_us = 8 * container.size * av.time_base // (stream.bit_rate or 1)
    return bool(stream.start_time) and abs(estimate_us / (container.duration or 1) - 1) > 0.01


def others(tracks: Sequence[AudioTrack], heard: AudioChoice) -> str:
    """What to say of the tracks that were not heard where one was silent; "" where it has only
    one."""
    if len(tracks) < 2:
        return ""
    listed = ", ".join(map(str, tracks))
    return f"; it has the audio tracks {listed}: --track chooses one"
