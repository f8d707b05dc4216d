"""Recordings that are made in an unusual way, through the command and a real recognizer."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.cli import main
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.jobs import setup
from surtitle.pipeline.recognizers import Recognizer
from surtitle.pipeline.recognizers.choice import open_recognizer

Sound = NDArray[np.float32]

SAMPLE = Path(__file__).parents[3] / "samples" / "harbor.flac"
SAID = "welcome to the old harb"  # or, or our


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Recognizer]:
    pytest.importorskip("moonshine_voice", reason="there is no wheel of Moonshine for this system")
    recognizer = open_recognizer(RecognizerConfig("moonshine"), "en", lambda line: None)
    yield recognizer
    recognizer.close()


@pytest.fixture(autouse=True)
def opened_once(moonshine: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "open_recognizer", lambda *_args, **_options: moonshine)


@pytest.fixture(scope="module")
def speech() -> Sound:
    """The first sentences of the sample, [N] at 16 kHz."""
    chunks = read_audio(SAMPLE)
    return np.concatenate([next(chunks).samples for _ in range(6)])


def wav(path: Path, *channels: Sound) -> Path:
    """16 bits, without a channel mask."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def mkv(path: Path, tracks: list[tuple[str, Sound]]) -> Path:
    """Tracks with their language tags; the first is the default one."""
    with av.open(str(path), "w") as container:
        streams = []
        for at, (tag, _) in enumerate(tracks):
            stream = container.add_stream("flac", rate=16_000, layout="mono")
            stream.metadata["language"] = tag
            stream.disposition = av.stream.Disposition(0 if at else 1)
            streams.append(stream)
        for stream, (_, sound) in zip(streams, tracks, strict=True):
            container.mux([*stream.encode(_samples(sound)), *stream.encode(None)])
    return path


def _samples(sound: Sound, start: int = 0) -> av.AudioFrame:
    pcm = (sound * 32767).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), start
    return frame


def tone(speech: Sound) -> Sound:
    return (0.3 * np.sin(np.arange(speech.size) / 6)).astype(np.float32)


def said(path: Path) -> str:
    return " ".join(path.with_suffix(".en.srt").read_text(encoding="utf-8").split()).lower()


def test_the_track_of_the_language_is_heard_though_another_is_the_default(
    tmp_path: Path, speech: Sound
) -> None:
    film = mkv(tmp_path / "film.mkv", [("ger", tone(speech)), ("eng", speech)])
    assert main(["subtitle", str(film)]) == 0
    assert SAID in said(film)


def test_a_silent_track_names_the_others_and_the_option(
    tmp_path: Path, speech: Sound, capsys: pytest.CaptureFixture[str]
) -> None:
    film = mkv(tmp_path / "film.mkv", [("und", tone(speech)), ("und", speech)])
    assert main(["subtitle", str(film)]) == 1
    error = capsys.readouterr().err
    assert "nobody speaks in it" in error and "audio tracks 1, 2: --track chooses one" in error
    assert main(["subtitle", str(film), "--track", "2"]) == 0
    assert SAID in said(film)


@pytest.mark.parametrize("channels", [3, 9])
def test_whichever_microphone_the_speaker_has(tmp_path: Path, speech: Sound, channels: int) -> None:
    silence = np.zeros_like(speech)
    path = wav(tmp_path / "talk.wav", *[silence] * (channels - 1), speech)
    assert main(["subtitle", str(path)]) == 0
    assert SAID in said(path)


def test_a_channel_alone(tmp_path: Path, speech: Sound, capsys: pytest.CaptureFixture[str]) -> None:
    path = wav(tmp_path / "talk.wav", speech, np.zeros_like(speech))
    assert main(["subtitle", str(path), "--channel", "2"]) == 1
    assert "nobody speaks in it" in capsys.readouterr().err
    assert main(["subtitle", str(path), "--channel", "1"]) == 0
    assert SAID in said(path)
    assert main(["subtitle", str(path), "--channel", "3", "--force"]) == 1
    assert "has no channel 3" in capsys.readouterr().err


def test_channels_that_cancel_each_other_are_heard_and_said(
    tmp_path: Path, speech: Sound, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wav(tmp_path / "talk.wav", speech, -speech)
    assert main(["subtitle", str(path)]) == 0
    assert SAID in said(path)
    assert "cancel each other out" in capsys.readouterr().err


def test_pieces_of_a_broadcast_whose_clock_began_earlier(
    tmp_path: Path, speech: Sound, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dvr.mp4"
    options = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, speech.size - 1024, 1024):
            piece = _samples(speech[start : start + 1024], start + 80 * 16_000)
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    assert main(["subtitle", str(path), "--strict"]) == 0, capsys.readouterr().err
    assert SAID in said(path)
    assert "00:00:0" in said(path)  # from the first packet, as players count


def test_a_recording_that_breaks_off_is_a_failure_only_if_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "half.flac"
    path.write_bytes(SAMPLE.read_bytes()[:200_000])
    assert main(["subtitle", str(path)]) == 0
    assert SAID in said(path)
    assert f"warning: {path}: it " in capsys.readouterr().err
    assert main(["subtitle", str(path), "--strict", "--force"]) == 1
    assert SAID in said(path)
