"""A fake sound card: a module with the few names of sounddevice that we use."""

from __future__ import annotations

import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class PortAudioError(Exception):
    pass


class SoundCard(ModuleType):
    """The few names of sounddevice that we use.

    It says its blocks, in a thread of its own, into the stream that is opened, and stops.
    """

    PortAudioError = PortAudioError
    default = SimpleNamespace(device=(1, 0))

    def __init__(self, rates_hz: tuple[int, ...] = (16_000,)) -> None:
        super().__init__("sounddevice")
        self.rates_hz = rates_hz
        self.is_busy = self.is_closed = False
        self.opened: dict[str, Any] = {}
        self.blocks: list[bytes] = []
        self.is_early = False  # done before the reader runs
        self.overflows = False

    def query_devices(self, device: int | str | None = None, kind: str = "") -> Any:
        devices = [
            {"name": "loudspeaker", "max_input_channels": 0},
            {"name": "webcam", "max_input_channels": 2, "default_samplerate": 48_000.0},
        ]
        if not kind:
            return devices
        if device not in (None, 1, "webcam"):
            raise ValueError(f"No input device matching {device!r}")
        return devices[1]

    def check_input_settings(self, device: Any, *, samplerate: int, **_rest: Any) -> None:
        if samplerate not in self.rates_hz:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **options: Any) -> SoundCard:
        if self.is_busy:
            raise PortAudioError("Device unavailable")
        self.opened = options
        return self

    def start(self) -> None:
        self.thread = threading.Thread(target=self._play)
        self.thread.start()
        if self.is_early:
            self.thread.join()

    def _play(self) -> None:
        status = SimpleNamespace(input_overflow=self.overflows)
        for block in self.blocks:
            self.opened["callback"](block, len(block) // 2, None, status)
        self.opened["finished_callback"]()

    def close(self) -> None:
        self.thread.join()
        self.is_closed = True


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    card = SoundCard()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card
