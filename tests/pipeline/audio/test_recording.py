from __future__ import annotations

import re
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from surtitle.pipeline.audio.container import probe_duration_ms
from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import CHUNK_SAMPLES, read_audio
from surtitle.pipeline.errors import MediaError

TONE_HZ = 440
LOUDNESS = 0.25  # amplitude of the tone

# file name, FFmpeg's name of the codec, sample rate, channels
RECORDINGS = [
    ("tone.wav", "pcm_s16le", 44_100, "stereo"),
    ("tone.wav", "pcm_u8", 8000, "mono"),
    ("tone.wav", "pcm_f32le", 48_000, "stereo"),
    ("tone.flac", "flac", 44_100, "stereo"),
    ("tone.flac", "flac", 16_000, "mono"),
    ("tone.mp3", "libmp3lame", 44_100, "stereo"),
    ("tone.mp3", "libmp3lame", 8000, "mono"),
    ("tone.m4a", "aac", 44_100, "stereo"),
    ("tone.m4a", "aac", 48_000, "5.1"),
    ("tone.ogg", "libopus", 48_000, "mono"),
    ("tone.opus", "libopus", 48_000, "stereo"),
    ("tone.webm", "libopus", 48_000, "stereo"),
    ("tone.mkv", "aac", 44_100, "stereo"),
    ("tone.mkv", "flac", 22_050, "mono"),
    ("tone.mp4", "aac", 44_100, "stereo"),
]


def tone(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (LOUDNESS * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.float32)


def record(
    path: Path,
    codec: str,
    pieces: list[tuple[float, np.ndarray]],
    *,
    rate_hz: int = SAMPLE_RATE_HZ,
    layout: str = "mono",
    video: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write pieces of sound, each at its start in seconds, the same on every channel."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        if video:
            _record_video(container, seconds=3)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz)
        channels = stream.layout.nb_channels
        for start_s, samples in pieces:
            for first in range(0, samples.size, 1024):
                piece = np.tile(samples[first : first + 1024], (channels, 1))
                sound = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                sound.sample_rate = rate_hz
                sound.time_base = Fraction(1, rate_hz)
                sound.pts = round(start_s * rate_hz) + first
                for resampled in resampler.resample(sound):
                    container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path


def _record_video(container: av.container.OutputContainer, seconds: int) -> None:
    stream = container.add_stream("mpeg4", rate=10)
    stream.width = stream.height = 64
    for index in range(10 * seconds):
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8), format="rgb24")
        picture.pts = index
        picture.time_base = Fraction(1, 10)
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))


def read(path: Path) -> np.ndarray:
    chunks = list(read_audio(path))
    position = 0
    for chunk in chunks:
        assert chunk.start_sample == position
        assert chunk.samples.dtype == np.float32
        position += chunk.samples.size
    return np.concatenate([chunk.samples for chunk in chunks])


def seconds_of_sound(samples: np.ndarray) -> list[tuple[float, float]]:
    """Where it is not silent, in seconds, to a tenth."""
    step = SAMPLE_RATE_HZ // 100
    loud = [
        np.abs(samples[start : start + step]).max() > LOUDNESS / 4
        for start in range(0, samples.size, step)
    ]
    edges = np.flatnonzero(np.diff([False, *loud, False]))
    return [
        (round(int(start) / 100, 1), round(int(end) / 100, 1))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


@pytest.mark.parametrize(("name", "codec", "rate_hz", "layout"), RECORDINGS)
def test_every_container_gives_the_sound_at_its_loudness(
    tmp_path: Path, name: str, codec: str, rate_hz: int, layout: str
):
    path = record(
        tmp_path / name,
        codec,
        [(0, tone(3, rate_hz))],
        rate_hz=rate_hz,
        layout=layout,
        video=name.endswith(".mp4"),
    )
    samples = read(path)
    assert samples.size / SAMPLE_RATE_HZ == pytest.approx(3, abs=0.1)
    middle = samples[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == TONE_HZ
    if layout != "5.1":  # what a mix of six channels should be is the decoder's business
        assert np.sqrt(np.mean(middle**2)) == pytest.approx(LOUDNESS / np.sqrt(2), rel=0.06)
    duration_ms = probe_duration_ms(path)
    assert duration_ms is not None
    assert duration_ms / 1000 == pytest.approx(3, abs=0.1)


def test_chunks_are_about_a_second(tmp_path: Path):
    path = record(tmp_path / "a.flac", "flac", [(0, tone(5.5))])
    sizes = [chunk.samples.size for chunk in read_audio(path)]
    assert all(CHUNK_SAMPLES <= size <= 1.5 * CHUNK_SAMPLES for size in sizes[:-1])
    assert sum(sizes) == 5.5 * SAMPLE_RATE_HZ


def test_a_late_start_is_silence_first(tmp_path: Path):
    path = record(tmp_path / "late.mkv", "pcm_s16le", [(2, tone(1))])
    assert seconds_of_sound(read(path)) == [(2.0, 3.0)]


def test_a_hole_is_silence(tmp_path: Path):
    path = record(tmp_path / "hole.mkv", "pcm_s16le", [(0, tone(1)), (3, tone(1))])
    assert seconds_of_sound(read(path)) == [(0.0, 1.0), (3.0, 4.0)]


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4"])
def test_a_late_start_does_not_make_the_stated_length_longer(tmp_path: Path, name: str):
    path = record(tmp_path / name, "aac", [(2, tone(5))])
    assert seconds_of_sound(read(path)) == [(2.0, 7.0)]
    assert probe_duration_ms(path) == pytest.approx(7000, abs=100)


def test_the_encoders_delay_is_not_a_late_start(tmp_path: Path):
    path = record(tmp_path / "a.mp3", "libmp3lame", [(0, tone(3, 8000))], rate_hz=8000)
    assert seconds_of_sound(read(path)) == [(0.0, 3.0)]


def test_an_overlap_is_cut(tmp_path: Path):
    first = record(tmp_path / "first.ts", "aac", [(0, tone(2))])
    second = record(tmp_path / "second.ts", "aac", [(1, tone(2))])
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert read(path).size / SAMPLE_RATE_HZ == pytest.approx(3, abs=0.1)


def test_a_clock_that_starts_anew_goes_on(tmp_path: Path):
    part = record(tmp_path / "part.ts", "aac", [(0, tone(15))]).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(part + part)
    assert read(path).size / SAMPLE_RATE_HZ == pytest.approx(30, abs=0.3)


def test_the_track_may_change_its_form_in_the_middle(tmp_path: Path):
    first = record(tmp_path / "first.mp3", "libmp3lame", [(0, tone(4))])
    second = record(
        tmp_path / "second.mp3",
        "libmp3lame",
        [(0, tone(4, 44_100))],
        rate_hz=44_100,
        layout="stereo",
    )
    path = tmp_path / "both.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    samples = read(path)
    assert samples.size / SAMPLE_RATE_HZ == pytest.approx(8, abs=0.3)
    assert np.abs(np.fft.rfft(samples[-2 * SAMPLE_RATE_HZ : -SAMPLE_RATE_HZ])).argmax() == TONE_HZ


def test_a_file_that_does_not_exist(tmp_path: Path):
    with pytest.raises(MediaError, match=r"nothing\.mp3 does not exist; check the name"):
        read(tmp_path / "nothing.mp3")


def test_a_folder(tmp_path: Path):
    with pytest.raises(MediaError, match="is a folder; name the recordings in it"):
        read(tmp_path)


def test_an_empty_file(tmp_path: Path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(MediaError, match="is empty"):
        read(path)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.mp3", "notes.wav", "notes.flac"])
@pytest.mark.parametrize("text", ["Dear all,\n\nno recording here.\n", "x", "a,b\n" * 50_000])
def test_text_renamed_to_a_recording(tmp_path: Path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(MediaError, match="holds text"):
        read(path)


@pytest.mark.parametrize("name", ["noise.mp4", "noise.mp3", "noise.bin"])
def test_noise_is_not_a_recording(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    with pytest.raises(MediaError, match="damaged|decoded"):
        read(path)


def test_no_audio_track(tmp_path: Path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        _record_video(container, seconds=1)
    with pytest.raises(MediaError, match="has no audio track"):
        read(path)
    with pytest.raises(MediaError, match="has no audio track"):
        probe_duration_ms(path)


def truncate(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_truncated_mp4_without_its_index(tmp_path: Path):
    path = record(tmp_path / "a.mp4", "aac", [(0, tone(10))], video=True)
    with pytest.raises(MediaError, match="incomplete: its index is missing"):
        read(truncate(path, 0.6))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "aac", {"movflags": "faststart"}),
        ("a.mkv", "aac", {}),
        ("a.flac", "flac", {}),
        ("a.mp3", "libmp3lame", {}),
        ("a.wav", "pcm_s16le", {}),
    ],
)
def test_of_a_truncated_recording_there_is_what_it_holds_and_where_it_breaks_off(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
):
    path = record(tmp_path / name, codec, [(0, tone(20))], options=options)
    warnings: list[str] = []
    chunks = list(read_audio(truncate(path, 0.5), warn=warnings.append))
    assert sum(chunk.samples.size for chunk in chunks) > 7 * SAMPLE_RATE_HZ
    assert len(warnings) == 1
    assert re.fullmatch(rf"{path}: it .*0:00:\d\d.*", warnings[0])


def test_of_a_truncated_ogg_there_is_what_it_holds(tmp_path: Path):
    path = record(tmp_path / "a.ogg", "libopus", [(0, tone(20, 48_000))], rate_hz=48_000)
    assert read(truncate(path, 0.5)).size > 7 * SAMPLE_RATE_HZ


def test_a_broadcast_that_was_joined_late_is_complete(tmp_path: Path):
    path = record(
        tmp_path / "dvr.mp4",
        "aac",
        [(8, tone(6))],
        options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    )
    warnings: list[str] = []
    samples = np.concatenate([c.samples for c in read_audio(path, warn=warnings.append)])
    assert not warnings
    assert seconds_of_sound(samples) == [pytest.approx((0, 6), abs=0.11)]  # AAC's delay
    assert probe_duration_ms(path) == pytest.approx(6000, abs=150)


def test_a_wav_that_promises_less_than_it_holds_is_read_to_its_end(tmp_path: Path):
    path = record(tmp_path / "a.wav", "pcm_s16le", [(0, tone(20))])
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = (4 * SAMPLE_RATE_HZ).to_bytes(4, "little")  # 2 s
    path.write_bytes(data)
    warnings: list[str] = []
    chunks = list(read_audio(path, warn=warnings.append))
    assert sum(chunk.samples.size for chunk in chunks) > 19 * SAMPLE_RATE_HZ
    assert "promises less than the file holds" in warnings[0]


def test_chunks_of_notes_behind_the_sound_of_a_wav_are_no_sound(tmp_path: Path):
    path = record(tmp_path / "a.wav", "pcm_s16le", [(0, tone(3))])
    note = b"LIST" + (4000).to_bytes(4, "little") + bytes(4000)
    path.write_bytes(path.read_bytes() + note)
    warnings: list[str] = []
    chunks = list(read_audio(path, warn=warnings.append))
    assert sum(chunk.samples.size for chunk in chunks) == 3 * SAMPLE_RATE_HZ
    assert not warnings


def test_floating_point_above_full_scale_is_not_clipped(tmp_path: Path):
    path = record(tmp_path / "a.wav", "pcm_f32le", [(0, 10 * tone(3))])
    assert np.abs(read(path)).max() == pytest.approx(10 * LOUDNESS, rel=0.01)


def test_damage_in_the_middle_is_survived(tmp_path: Path):
    path = record(tmp_path / "a.mp3", "libmp3lame", [(0, tone(10))])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    assert read(path).size / SAMPLE_RATE_HZ == pytest.approx(10, abs=1.1)


def test_a_wav_of_unknown_length_is_complete(tmp_path: Path):
    path = record(tmp_path / "a.wav", "pcm_s16le", [(0, tone(3))])
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 4 + data[8:])  # as a program in a pipe writes it
    assert read(path).size == 3 * SAMPLE_RATE_HZ
    assert probe_duration_ms(path) == 3000


def test_a_playlist_is_not_followed(tmp_path: Path):
    record(tmp_path / "part.ts", "aac", [(0, tone(1))])
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match="holds text"):
        read(path)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path):
    path = record(
        tmp_path / "hour.flac", "flac", [(0, np.zeros(3600 * SAMPLE_RATE_HZ, np.float32))]
    )
    tracemalloc.start()
    total_samples = sum(chunk.samples.size for chunk in read_audio(path))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total_samples == 3600 * SAMPLE_RATE_HZ
    assert peak_bytes < 2_000_000
