"""Inputs that mutation of bytes hardly comes upon: JSON of another shape, and what is very long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..pipeline.protocols.test_hostile import spoiled
from .targets.target import Target

LONG_BYTES = 50_000
RUNS = b" ", b"\n", b"<", b"[", b"(", b"-", b"0", b'"', b"\\", b"\0", b"a"
DEEP = b"[" * 100_000, b'{"a": ' * 100_000, b"9" * 5000


def odd_inputs(target: Target) -> Iterator[bytes]:
    for sample in target.samples:
        yield from _json(sample)
    if target.share > 1:  # the others are slow
        for sample in target.samples[:2]:
            yield from _long(sample, target.words)


def _json(sample: bytes) -> Iterator[bytes]:
    """A sample of JSON with each of its parts replaced, one at a time."""
    try:
        value = json.loads(sample)
    except ValueError:
        return
    yield from DEEP
    for other in spoiled(value):
        yield json.dumps(other).encode()


def _long(sample: bytes, words: Sequence[bytes]) -> Iterator[bytes]:
    """A sample with a long run of each of its words, and of some characters, in it."""
    for word in (*RUNS, *words):
        for at in (len(sample) // 3, 2 * len(sample) // 3):
            yield sample[:at] + word * (LONG_BYTES // len(word)) + sample[at:]
