"""What a fuzz target is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Fuzz = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Something that reads what others have written.

    `read` takes any bytes; it raises nothing but where the reader raises what it does not document,
    or something does not hold that must. `samples` are honest inputs to begin with, `words` what
    else may stand in them. Of a run, it gets `share` parts of the inputs: slow ones get fewer.
    `open` makes `read` in the process that calls it.
    """

    name: str
    open: Callable[[], Fuzz]
    samples: Sequence[bytes]
    words: Sequence[bytes] = ()
    share: int = 10


def plain(read: Fuzz) -> Callable[[], Fuzz]:
    """For what needs nothing to be opened first."""
    return lambda: read


def as_text(data: bytes) -> str:
    """As a text message has it, which no lone surrogates reach."""
    return data.decode("utf-8", "replace")


def messages(data: bytes) -> list[str | bytes]:
    """Lines of text as text messages, others as binary ones."""
    found: list[str | bytes] = []
    for line in data.split(b"\n"):
        try:
            found.append(line.decode())
        except UnicodeDecodeError:
            found.append(line)
    return found
