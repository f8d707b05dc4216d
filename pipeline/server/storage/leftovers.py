"""Changes that a store could not take: a file of JSON lines beside it, for its next start."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from .changes import Change, decode_change, encode_change
from .file import write_changes

log = logging.getLogger(__name__)


def keep(store: Path, changes: Sequence[Change], now: datetime) -> Path | None:
    """Write changes to a new file beside the store and return it.

    Where that is impossible as well, they go to stderr, and None is returned.
    """
    lines = "".join(f"{encode_change(change)}\n" for change in changes)
    path = next(name for name in _names(store, now) if not name.exists())
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # seen under its name when complete
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        log.error("%s cannot be written either: %s", path, error)
        print(lines, end="", file=sys.stderr, flush=True)
        return None
    return path


def take_in(store: Path, connection: sqlite3.Connection) -> None:
    """Put what earlier runs have left beside a store into it, and rename their files to .stored.

    What cannot be taken in is logged, and stays where it is.
    """
    for path in sorted(store.parent.glob(f"{_escaped(store.name)}.unstored-*.jsonl")):
        try:
            changes, unread = _read(path)
            write_changes(connection, changes)
            if not unread:
                path.rename(path.with_name(f"{path.name}.stored"))
        except FileNotFoundError:  # another server of the same store was quicker
            continue
        except (OSError, sqlite3.Error) as error:
            log.error("%s cannot be taken into the store: %s", path, error)
            continue
        log.info("%d changes of %s were taken into the store", len(changes), path)
        if unread:
            log.error("%d lines of %s cannot be read; the file stays", unread, path)


def _read(path: Path) -> tuple[list[Change], int]:
    """The changes in a file, and how many of its lines are none. Raises OSError."""
    changes: list[Change] = []
    unread = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            changes.append(decode_change(line))
        except ValueError:
            unread += 1
    return changes, unread


def _names(store: Path, now: datetime) -> Iterator[Path]:
    base = f"{store.name}.unstored-{now:%Y%m%d-%H%M%S}"
    yield store.with_name(f"{base}.jsonl")
    for n in count(2):
        yield store.with_name(f"{base}-{n}.jsonl")


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
