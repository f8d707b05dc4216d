"""A microphone, through PortAudio. `sounddevice` is imported only when one is wanted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import closing
from importlib import import_module
from typing import Any

from ..errors import DeviceError
from ..events import AudioChunk
from .pcm import SAMPLE_RATE_HZ
from .resampler import Resampler

BLOCKS_PER_S = 20
MOST_WAITING_S = 600  # for a reader that is slower than speech: 20 MB, 60 at 48 kHz


def list_devices() -> list[str]:
    """The microphones by number and name, the default one marked. Raises DeviceError."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        f"{number}: {device['name']}{' (default)' if number == default else ''}"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"]
    ]


class Microphone:
    """What is heard from now on, without an end.

    The sound card's thread puts blocks into a queue of MOST_WAITING_S; when it is full, the newest
    block is dropped and counted in `lost_ms`, as is what the card itself tells to have lost.
    """

    def __init__(self, device: str | None = None) -> None:
        """`device` is a number or a part of a name from `list_devices`. Raises DeviceError."""
        self.lost_ms = 0
        self._sounddevice = _sounddevice()
        self._device: int | str | None = int(device) if device and device.isdecimal() else device
        self._rate_hz = self._usable_rate_hz()
        self._blocks: deque[bytes] = deque()

    @property
    def waiting_ms(self) -> int:
        """What has been heard, and the reader has not taken."""
        return 1000 * len(self._blocks) // BLOCKS_PER_S

    async def listen(self) -> AsyncIterator[AudioChunk]:
        """Raises DeviceError where the microphone cannot be opened, or stops."""
        loop = asyncio.get_running_loop()
        wake, resampler = asyncio.Event(), Resampler(self._rate_hz)
        stopped = False

        def take(block: Any, sample_count: int, _time: object, status: Any) -> None:
            is_full = len(self._blocks) >= BLOCKS_PER_S * MOST_WAITING_S
            if is_full or status.input_overflow:  # the card does not tell how much it lost
                self.lost_ms += 1000 * sample_count // self._rate_hz
            if not is_full:
                self._blocks.append(bytes(block))
                loop.call_soon_threadsafe(wake.set)

        def stop() -> None:
            nonlocal stopped
            stopped = True
            loop.call_soon_threadsafe(wake.set)

        start_sample = 0
        with closing(self._open(take, stop)):
            while True:
                await wake.wait()
                wake.clear()
                while self._blocks:
                    samples = resampler.push(self._blocks.popleft())
                    yield AudioChunk(start_sample, samples)
                    start_sample += samples.size
                if stopped:
                    raise DeviceError("the microphone has stopped; is it still plugged in?")

    def _usable_rate_hz(self) -> int:
        """16 kHz where the card can do that, else what it likes best."""
        try:
            device = self._sounddevice.query_devices(self._device, "input")
            try:
                self._sounddevice.check_input_settings(
                    self._device, channels=1, dtype="int16", samplerate=SAMPLE_RATE_HZ
                )
            except self._sounddevice.PortAudioError:
                return int(device["default_samplerate"])
        except (ValueError, self._sounddevice.PortAudioError) as error:
            raise DeviceError(
                f"no microphone {self._device or ''}: {error}; see --list-devices"
            ) from error
        return SAMPLE_RATE_HZ

    def _open(self, take: Any, stop: Any) -> Any:
        try:
            stream = self._sounddevice.RawInputStream(
                samplerate=self._rate_hz,
                blocksize=self._rate_hz // BLOCKS_PER_S,
                device=self._device,
                channels=1,
                dtype="int16",
                callback=take,
                finished_callback=stop,
            )
            stream.start()
            return stream
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(f"the microphone cannot be opened: {error}") from error


def _sounddevice() -> Any:
    try:
        return import_module("sounddevice")
    except ImportError as error:
        raise DeviceError(
            "a microphone needs an extra package: pip install 'surtitle[mic]'"
        ) from error
    except OSError as error:  # the package is there, the library that it wraps is not
        raise DeviceError(
            "a microphone needs PortAudio: sudo apt-get install libportaudio2"
        ) from error
