"""Which track and which channels of a recording are heard."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from surtitle.pipeline.audio.container import AudioChoice, audio_tracks
from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.errors import MediaError

GERMAN_HZ, ENGLISH_HZ, NOTES_HZ = 300, 500, 700  # what is heard on each track


def tone(pitch_hz: int, seconds: float = 1.0) -> np.ndarray:
    return (0.25 * np.sin(2 * np.pi * pitch_hz * np.arange(seconds * 16_000) / 16_000)).astype("f4")


def film(path: Path, tracks: list[tuple[int, str, bool]]) -> Path:
    """A file of tracks: pitch, language tag, whether it is enabled."""
    with av.open(str(path), "w") as container:
        streams = []
        for _, tag, enabled in tracks:
            stream = container.add_stream("flac", rate=16_000, layout="mono")
            if tag:
                stream.metadata["language"] = tag
            stream.disposition = av.stream.Disposition.default if enabled else 0
            streams.append(stream)
        for stream, (pitch_hz, _, _) in zip(streams, tracks, strict=True):
            pcm = (tone(pitch_hz) * 32767).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 0
            container.mux([*stream.encode(sound), *stream.encode(None)])
    return path


def wav(path: Path, channels: list[np.ndarray]) -> Path:
    """16 bits, without a channel mask."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def pitch_hz(path: Path, choice: AudioChoice) -> int:
    samples = np.concatenate([chunk.samples for chunk in read_audio(path, choice)])
    return int(np.abs(np.fft.rfft(samples[:SAMPLE_RATE_HZ])).argmax())


TRACKS = [(GERMAN_HZ, "ger", False), (ENGLISH_HZ, "eng", False), (NOTES_HZ, "", True)]


@pytest.mark.parametrize(
    ("choice", "heard_hz"),
    [
        (AudioChoice(language="en"), ENGLISH_HZ),
        (AudioChoice(language="de"), GERMAN_HZ),
        (AudioChoice(language="fr"), NOTES_HZ),  # the enabled one, as players do
        (AudioChoice(), NOTES_HZ),
        (AudioChoice(language="en", track=1), GERMAN_HZ),
    ],
)
def test_the_track_of_the_language_spoken_else_the_enabled_one(
    tmp_path: Path, choice: AudioChoice, heard_hz: int
) -> None:
    assert pitch_hz(film(tmp_path / "film.mkv", TRACKS), choice) == heard_hz


def test_tracks_are_listed_by_number_and_language(tmp_path: Path) -> None:
    tracks = audio_tracks(film(tmp_path / "film.mkv", TRACKS))
    assert [(track.number, track.language) for track in tracks] == [(1, "de"), (2, "en"), (3, None)]
    assert str(tracks[1]) == "2 (en)"


def test_a_track_of_an_unknown_format_is_not_chosen(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", TRACKS)
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_NONE", 1))
    assert [track.channels for track in audio_tracks(path)] == [0, 1, 1]
    assert pitch_hz(path, AudioChoice(language="de")) == NOTES_HZ
    with pytest.raises(MediaError, match="in no format that FFmpeg knows"):
        list(read_audio(path, AudioChoice(track=1)))


def test_a_title_in_another_encoding_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", TRACKS)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"DURA\xe9ION"))
    assert pitch_hz(path, AudioChoice(language="de")) == GERMAN_HZ


def test_a_track_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", TRACKS)
    with pytest.raises(MediaError, match=r"no audio track 4, only 1 \(de\), 2 \(en\), 3"):
        list(read_audio(path, AudioChoice(track=4)))


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 9, 11, 32])
@pytest.mark.parametrize("place", [0, -1])
def test_whichever_microphone_hears_it_is_heard(tmp_path: Path, channels: int, place: int) -> None:
    sounds = [np.zeros(16_000, np.float32)] * channels
    sounds[place] = tone(ENGLISH_HZ)
    path = wav(tmp_path / "mics.wav", sounds)
    samples = np.concatenate([chunk.samples for chunk in read_audio(path)])
    assert np.abs(np.fft.rfft(samples)).argmax() == ENGLISH_HZ
    assert np.abs(samples).max() >= 0.25 / 2 * 0.98  # of two channels each is heard half as loud


def test_one_microphone_after_the_other_is_heard_as_loud_as_alone(tmp_path: Path) -> None:
    silence = np.zeros(48_000, np.float32)
    first, second = silence.copy(), silence.copy()
    first[:16_000], second[32_000:] = tone(GERMAN_HZ), tone(ENGLISH_HZ)
    path = wav(tmp_path / "mics.wav", [first, silence, second])
    samples = np.concatenate([chunk.samples for chunk in read_audio(path)])
    assert np.abs(samples[4000:12_000]).max() == pytest.approx(0.25, rel=0.02)
    assert np.abs(samples[40_000:]).max() == pytest.approx(0.25, rel=0.05)


def test_channels_that_cancel_each_other_are_noticed(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", [tone(ENGLISH_HZ), -tone(ENGLISH_HZ)])
    warnings: list[str] = []
    samples = np.concatenate([c.samples for c in read_audio(path, warn=warnings.append)])
    assert np.abs(samples).max() == pytest.approx(0.25, rel=0.02)
    assert len(warnings) == 1
    assert "cancel each other out" in warnings[0]


def test_a_channel_alone(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", [tone(GERMAN_HZ), tone(ENGLISH_HZ)])
    assert pitch_hz(path, AudioChoice(channel=2)) == ENGLISH_HZ
    with pytest.raises(MediaError, match="no channel 3: its track has 2"):
        list(read_audio(path, AudioChoice(channel=3)))


@pytest.mark.parametrize("wrong", [{"track": 0}, {"channel": -1}])
def test_tracks_and_channels_count_from_1(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        AudioChoice(**wrong)


def test_a_name_with_a_colon_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wav(Path("10:30.wav"), [tone(ENGLISH_HZ)])
    assert pitch_hz(Path("10:30.wav"), AudioChoice()) == ENGLISH_HZ
