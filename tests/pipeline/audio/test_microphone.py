"""The microphone over a fake sound card: the fixture `card`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import pytest

from surtitle.pipeline.audio import microphone
from surtitle.pipeline.audio.microphone import Microphone, list_devices
from surtitle.pipeline.errors import DeviceError


def heard(source: Microphone) -> np.ndarray:
    """Everything until the microphone stops, which it says."""

    async def listen() -> list[np.ndarray]:
        pieces: list[np.ndarray] = []
        with pytest.raises(DeviceError, match="plugged in"):
            async for chunk in source.listen():
                assert chunk.start_sample == sum(piece.size for piece in pieces)
                pieces.append(chunk.samples)
        return pieces

    return np.concatenate(asyncio.run(listen()))


def test_what_is_said_is_heard_in_order(card: Any) -> None:
    spoken = np.arange(2000, dtype=np.int16)
    card.blocks = [spoken[n : n + 800].tobytes() for n in (0, 800, 1600)]
    found = heard(Microphone())
    np.testing.assert_array_equal(found * 32768, spoken[: found.size])
    assert found.size >= 1980
    assert (card.opened["samplerate"], card.opened["blocksize"]) == (16_000, 800)
    assert card.is_closed


def test_a_card_that_cannot_do_16_khz_is_resampled(card: Any) -> None:
    card.rates_hz = (48_000,)
    card.blocks = [bytes(96_000)]
    assert heard(Microphone("webcam")).size == pytest.approx(16_000, abs=40)
    assert card.opened["samplerate"] == 48_000


def test_what_does_not_fit_the_queue_is_dropped_and_counted(
    card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "MOST_WAITING_S", 0.1)  # two blocks
    card.blocks, card.is_early = [bytes(1600)] * 5, True
    source = Microphone()
    assert heard(source).size == pytest.approx(1600, abs=20)
    assert source.lost_ms == 150


def test_what_a_reader_has_not_taken_waits(card: Any) -> None:
    card.blocks, card.is_early = [bytes(1600)] * 5, True
    source = Microphone()

    async def listen() -> int:
        chunks = source.listen()
        await anext(chunks)
        return source.waiting_ms

    assert asyncio.run(listen()) == 200
    assert source.lost_ms == 0


def test_what_the_card_lost_is_counted(card: Any) -> None:
    card.blocks, card.overflows = [bytes(1600)], True
    source = Microphone()
    heard(source)
    assert source.lost_ms == 50


def test_devices_are_listed(card: Any) -> None:
    assert list_devices() == ["1: webcam (default)"]


def test_an_unknown_device_is_named(card: Any) -> None:
    with pytest.raises(DeviceError, match="'headset'.*--list-devices"):
        Microphone("headset")


def test_a_busy_device_is_told(card: Any) -> None:
    card.is_busy = True

    async def listen() -> None:
        await anext(Microphone("1").listen())

    with pytest.raises(DeviceError, match="Device unavailable"):
        asyncio.run(listen())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"surtitle\[mic\]"):
        Microphone()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(microphone, "import_module", fail)
    with pytest.raises(DeviceError, match="libportaudio2"):
        list_devices()
