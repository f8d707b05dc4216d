"""Make the recordings of this folder from their texts: `python samples/make.py`.

Needs Debian's flite and ffmpeg, and the fonts of fonts-dejavu-core.
"""

from __future__ import annotations

import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
SAMPLE_RATE_HZ = 16_000  # of flite's voices
STRETCH = {"rms": 1.1, "slt": 1.0}  # how much slower than the voice's own speed
EDGE_MS = 300  # silence before the first sentence and after the last
SENTENCE_PAUSE_MS = 500  # added to the silence of about 200 ms that flite leaves at both ends
PAN_S = 2
PICTURE_SIZE = (1280, 720)


@dataclass(frozen=True)
class Turn:
    """What one voice says in one go: the next `sentences` lines of the text."""

    voice: str
    sentences: int
    pause_ms: int = SENTENCE_PAUSE_MS  # before it
    moves_picture: bool = False


HARBOR = [
    Turn("rms", 4, pause_ms=EDGE_MS),
    Turn("rms", 4, pause_ms=900),
    Turn("rms", 4, pause_ms=900),
    Turn("rms", 4, pause_ms=900),
    Turn("rms", 2, pause_ms=900),
]
SOUP = [
    Turn("rms", 2, pause_ms=EDGE_MS),
    Turn("slt", 2),
    Turn("rms", 1, moves_picture=True),
    Turn("slt", 1),
    Turn("rms", 2),
    Turn("slt", 1),
    Turn("rms", 1, pause_ms=900, moves_picture=True),
    Turn("slt", 1),
    Turn("rms", 1),
    Turn("slt", 2),
    Turn("rms", 2),
    Turn("slt", 1, pause_ms=900, moves_picture=True),
    Turn("rms", 1),
    Turn("slt", 2),
]


def main() -> None:
    with TemporaryDirectory() as folder:
        speech = Path(folder) / "speech.wav"
        record("harbor", HARBOR, speech)
        ffmpeg("-i", speech, HERE / "harbor.flac")
        moves_s = record("soup", SOUP, speech)
        film(HERE / "soup.svg", moves_s, speech, HERE / "soup.mp4")


def record(name: str, turns: list[Turn], path: Path) -> list[float]:
    """Speak the text `name` into a WAV file; return when the picture moves, in seconds."""
    sentences = iter((HERE / f"{name}.en.txt").read_text().splitlines())
    audio = b""
    moves_s: list[float] = []
    for turn in turns:
        audio += silence(turn.pause_ms)
        if turn.moves_picture:
            moves_s.append(len(audio) / (2 * SAMPLE_RATE_HZ))
        spoken = [speak(next(sentences), turn.voice) for _ in range(turn.sentences)]
        audio += silence(SENTENCE_PAUSE_MS).join(spoken)
    assert next(sentences, None) is None, "the turns must cover the whole text"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(audio + silence(EDGE_MS))
    return moves_s


def speak(sentence: str, voice: str) -> bytes:
    """Return a sentence as 16-bit mono PCM."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sentence.wav"
        stretch = f"duration_stretch={STRETCH[voice]}"
        command = ["flite", "-voice", voice, "--setf", stretch, "-t", sentence, "-o", str(path)]
        subprocess.run(command, check=True)
        with wave.open(str(path)) as file:
            assert file.getframerate() == SAMPLE_RATE_HZ, "the voice must have the rate of the file"
            return file.readframes(file.getnframes())


def silence(duration_ms: int) -> bytes:
    return bytes(2 * duration_ms * SAMPLE_RATE_HZ // 1000)


def film(strip: Path, moves_s: list[float], speech: Path, video: Path) -> None:
    """Let a camera move along a strip of pictures, one picture further at each of `moves_s`."""
    width, height = PICTURE_SIZE
    place = "+".join(f"clip((t-{start_s:.2f})/{PAN_S},0,1)" for start_s in moves_s)
    picture = f"loop=-1:1,crop={width}:{height}:'{width}*({place})':0,format=yuv420p"
    with wave.open(str(speech)) as file:
        duration_s = file.getnframes() / SAMPLE_RATE_HZ
    ffmpeg(
        *("-framerate", 25, "-i", strip, "-i", speech, "-vf", picture, "-t", duration_s),
        *("-c:v", "libx264", "-preset", "slow", "-crf", 26, "-tune", "animation"),
        *("-c:a", "aac", "-ar", 48_000, "-b:a", "64k", "-movflags", "+faststart"),
        video,
    )


def ffmpeg(*arguments: object) -> None:
    *inputs, target = map(str, arguments)
    # NOTE: bit-exact: without versions and dates inside, the same tools make the same file.
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *exact, target], check=True)


if __name__ == "__main__":
    main()
