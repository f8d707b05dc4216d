import numpy as np
import pytest

from surtitle.pipeline.audio.opus import OpusDecoder
from surtitle.pipeline.errors import MediaError

from ..opus_packets import LEVEL, tone_packets


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_packets_become_sound_of_the_same_length_and_level(layout: str) -> None:
    decoder = OpusDecoder()
    pcm = np.frombuffer(b"".join(map(decoder.push, tone_packets(400, layout))), "<i2")
    assert pcm.size / 16 == pytest.approx(400, abs=10)
    assert np.abs(pcm[3200:4800].astype(float)).mean() == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.parametrize("packet", [b"", b"\xff" * 3, b"\0" * 9000])
def test_what_is_no_packet_is_refused_and_the_next_is_heard(packet: bytes) -> None:
    decoder = OpusDecoder()
    with pytest.raises(MediaError):
        decoder.push(packet)
    assert b"".join(map(decoder.push, tone_packets(100)))
