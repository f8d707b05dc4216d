"""All that reads what others have written, as targets of a fuzzer; a module for each kind of it."""

from __future__ import annotations

from importlib import import_module

from .target import Target

MODULES = "wire", "http", "peers", "subtitles", "models", "recordings"


def targets(module: str) -> list[Target]:
    """Those of a module, which is imported only now: some need much."""
    return import_module(f".{module}", __name__).TARGETS
