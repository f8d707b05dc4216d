"""A tone as MP3, of which a broadcast can be made by sending it again and again."""

from __future__ import annotations

import io

import av
import numpy as np

RATE_HZ = 44_100


def mp3_tone(seconds: float) -> bytes:
    """440 Hz, stereo."""
    samples = np.arange(int(RATE_HZ * seconds))
    wave = (8000 * np.sin(2 * np.pi * 440 * samples / RATE_HZ)).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as output:
        track = output.add_stream("libmp3lame", rate=RATE_HZ, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="s16p", layout="stereo")
        frame.sample_rate = RATE_HZ
        output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return file.getvalue()
