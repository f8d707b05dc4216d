"""Opus as it travels, packet by packet -> 16 kHz mono PCM."""

from __future__ import annotations

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet

from ..errors import MediaError
from .pcm import SAMPLE_RATE_HZ

RTP_RATE_HZ = 48_000  # of Opus in RTP, whatever is in the packets (RFC 7587, 4.1)
MAX_PACKET_BYTES = 8192  # six times the largest of 20 ms


class OpusDecoder:
    """One stream of packets, without a container."""

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "r")
        self._codec.sample_rate = RTP_RATE_HZ
        self._codec.layout = "stereo"  # a mono packet is the same on both sides
        # To s16 at once: only there does FFmpeg keep the level of what it mixes to one channel.
        self._to_mono = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)

    def push(self, packet: bytes) -> bytes:
        """Return 16-bit PCM, all but the last few milliseconds, which come with the next packet.

        Raises MediaError for what is no packet of Opus; the next may be one.
        """
        if not 0 < len(packet) <= MAX_PACKET_BYTES:
            raise MediaError(
                f"a packet of Opus is of 1 to {MAX_PACKET_BYTES} bytes, got {len(packet)}"
            )
        try:
            decoded = self._codec.decode(Packet(packet))
        except FFmpegError as error:
            raise MediaError(f"{len(packet)} bytes are no packet of Opus") from error
        return b"".join(map(self._mono, decoded))

    def _mono(self, audio: AudioFrame) -> bytes:
        return b"".join(part.to_ndarray().tobytes() for part in self._to_mono.resample(audio))
