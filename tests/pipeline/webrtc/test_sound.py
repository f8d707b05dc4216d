from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame

from surtitle.pipeline.webrtc import sound
from surtitle.pipeline.webrtc.sound import Unbroken, pieces

from .tone import RATE_HZ, SAMPLES, received, tone

MS = 16  # samples at 16 kHz


def test_sound_comes_as_16_khz_at_its_level() -> None:
    unbroken = Unbroken()
    pcm = np.concatenate([unbroken.push(tone(n * SAMPLES)) for n in range(50)])
    assert 990 * MS < pcm.size <= 1000 * MS
    assert np.abs(pcm[1000:]).max() == pytest.approx(8000, rel=0.02)


def test_both_channels_are_mixed() -> None:
    left = np.full(SAMPLES, 6000, np.int16)
    interleaved = np.stack([left, np.zeros(SAMPLES, np.int16)], axis=1).reshape(1, -1)
    stereo = AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
    stereo.sample_rate = RATE_HZ
    pcm = Unbroken().push(stereo)
    assert pcm[pcm.size // 2] == pytest.approx(3000, abs=30)


def test_what_was_lost_is_silence() -> None:
    unbroken = Unbroken()
    unbroken.push(tone(0))
    pcm = unbroken.push(tone(4 * SAMPLES))  # three are missing
    assert pcm.size == pytest.approx(80 * MS, abs=3 * MS)
    assert not pcm[: 55 * MS].any() and pcm[65 * MS :].any()


def test_a_pause_that_was_filled_is_not_filled_again() -> None:
    unbroken = Unbroken()
    first = unbroken.push(tone(0))
    pause = unbroken.pause(400)
    after = unbroken.push(tone(21 * SAMPLES))
    assert pause.size == 400 * MS and not pause.any()
    assert first.size + pause.size + after.size == pytest.approx(440 * MS, abs=3 * MS)


def test_sound_that_comes_late_is_all_there() -> None:
    unbroken = Unbroken()
    unbroken.push(tone(0))
    unbroken.pause(400)
    late = [unbroken.push(tone(n * SAMPLES)) for n in range(1, 11)]
    assert sum(part.size for part in late) == pytest.approx(200 * MS, abs=3 * MS)


def test_a_clock_that_is_set_anew_makes_no_hole() -> None:
    unbroken = Unbroken()
    unbroken.push(tone(0))
    assert unbroken.push(tone(3600 * RATE_HZ)).size < 25 * MS
    assert unbroken.push(tone(0)).size < 25 * MS


def test_a_peer_may_change_its_codec() -> None:
    unbroken = Unbroken()
    unbroken.push(tone(0))
    telephone = [unbroken.push(tone(160 * n, 160, 8000)) for n in range(1, 51)]
    assert sum(part.size for part in telephone) == pytest.approx(1000 * MS, abs=10 * MS)


class Scripted(MediaStreamTrack):
    """Gives what it has, then nothing for a while where a number stands, then ends."""

    kind = "audio"

    def __init__(self, script: list[AudioFrame | None]) -> None:
        super().__init__()
        self._script = script

    async def recv(self) -> AudioFrame:
        if not self._script:
            raise MediaStreamError
        given = self._script.pop(0)
        if given is None:
            await asyncio.Event().wait()  # until the reader gives up
        assert given is not None
        return given


async def read(track: MediaStreamTrack) -> list[bytes]:
    return [piece async for piece in pieces(track)]


def test_sound_is_handed_on_in_pieces_up_to_the_end() -> None:
    track = Scripted([tone(n * SAMPLES) for n in range(12)])
    found = asyncio.run(read(track))
    assert len(found) == 3  # 100 ms or more each, and the rest
    assert sum(map(len, found)) == pytest.approx(2 * 240 * MS, abs=6 * MS)


def test_while_nothing_comes_there_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "SILENT_MS", 120)
    quiet = received(np.zeros(SAMPLES), 0)
    found = asyncio.run(read(Scripted([quiet, None, None])))
    assert sum(map(len, found)) == pytest.approx(2 * 260 * MS, abs=6 * MS)
