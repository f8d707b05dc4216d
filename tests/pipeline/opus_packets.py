"""A tone as packets of Opus, 20 ms each, as they come out of a browser."""

from __future__ import annotations

import av
import numpy as np

RATE_HZ = 48_000
PACKET_MS = 20
PACKET_TICKS = RATE_HZ * PACKET_MS // 1000  # of an RTP time stamp
LEVEL = 8000 * 2 / np.pi


def tone_packets(milliseconds: int, layout: str = "mono") -> list[bytes]:
    """440 Hz, whose mean level is LEVEL."""
    channels = 1 if layout == "mono" else 2
    wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ * milliseconds // 1000) / RATE_HZ)
    frame = av.AudioFrame.from_ndarray(
        np.repeat(wave.astype(np.int16), channels)[None], format="s16", layout=layout
    )
    frame.sample_rate = RATE_HZ
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, layout, "s16"
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return [bytes(packet) for packet in packets][: milliseconds // PACKET_MS]
