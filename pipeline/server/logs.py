"""Logs on standard error: lines to read, or JSON lines for a collector."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

WINDOW_S = 60.0
FREE_LINES = 3
MOST_KINDS = 100
MOST_CHARS = 300
KIND_CHARS = 40  # asyncio's lines go on with what differs each time
_HEARING_PEERS = (
    "uvicorn",
    "websockets",
    "asyncio",
    f"{__package__}.gate",
)
_OUR_FAULTS = "Exception in ASGI application", "Exception in callback", "Task exception was never"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def set_up_logs(*, as_json: bool) -> None:
    """Show everything from INFO on, of all loggers but that of requests to other servers."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    handler.addFilter(PeerFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # They tell of each text that an LLM gets, of each picture that is drawn, of each peer's ICE.
    for library in "httpx2", "pyvips", "aioice":
        logging.getLogger(library).setLevel(logging.WARNING)


@contextmanager
def warnings_shown() -> Generator[None, None, None]:
    """Show, within, what is worth a warning: for commands that have a screen of their own."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(PlainFormatter())
    handler.addFilter(PeerFilter())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


class PeerFilter(logging.Filter):
    """Keeps what peers can cause to few and short lines.

    Of each kind (what is said, without names and numbers) FREE_LINES pass in WINDOW_S; the first
    one after that says how many more there were. What libraries say of a peer is told without its
    traceback; a fault of ours keeps it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[tuple[str, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_HEARING_PEERS):
            return True
        kind = record.name, str(record.msg).partition("\n")[0][:KIND_CHARS]
        _drop_trace(record)
        window = self._windows.get(kind)
        if window is None or record.created - window.begun_s >= WINDOW_S:
            if len(self._windows) >= MOST_KINDS:
                self._windows.clear()
            self._windows[kind] = _Window(record.created)
            if window is not None and window.held:
                record.msg = f"{record.getMessage()} ({window.held} more like this before)"
                record.args = None
            return True
        window.passed += 1
        if window.passed <= FREE_LINES:
            return True
        window.held += 1
        return False


@dataclass(slots=True)
class _Window:
    begun_s: float
    passed: int = 1
    held: int = 0


def _drop_trace(record: logging.LogRecord) -> None:
    """Say in the line what a peer has done; the traceback is of our libraries, and of no use."""
    error = record.exc_info[1] if record.exc_info else None
    is_ours = str(record.msg).startswith(_OUR_FAULTS) and not isinstance(error, OSError)
    if error is not None and not is_ours:
        record.msg = f"{record.getMessage().strip()}: {error}"[:MOST_CHARS].replace("\n", " ")
        record.args = record.exc_info = record.exc_text = None


class PlainFormatter(logging.Formatter):
    """`10:15:00 INFO a session begins room=main session=...`"""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record):%H:%M:%S} {record.levelname} {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in _fields(record).items())
        return f"{line}\n{_trace(self, record)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["trace"] = _trace(self, record)
        return json.dumps(line, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    assert record.exc_info, "there is a trace"
    return formatter.formatException(record.exc_info)
