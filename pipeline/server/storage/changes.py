"""What is written to the store: changes, each as an SQL statement or as a line of JSON (pure).

A change can be made again without harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...events import Caption, Word

Statement = tuple[str, tuple[Any, ...]]  # SQL and its values

MOST = 2**63  # of SQLite's integers
_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
_FLAGS = ("is_estimated", "is_joined")


@dataclass(frozen=True, slots=True)
class Begin:
    """A session begins. Times are ISO 8601."""

    session: str
    room: str
    source: str
    targets: tuple[str, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Final:
    session: str
    caption: Caption


@dataclass(frozen=True, slots=True)
class End:
    session: str
    at: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing of a session is to be kept."""

    session: str


Change = Begin | Final | End | Forget


def statements(change: Change) -> list[Statement]:
    if isinstance(change, Forget):
        session = (_storable(change.session),)
        return [
            ("DELETE FROM captions WHERE session = ?", session),
            ("DELETE FROM sessions WHERE id = ?", session),
        ]
    sql, values = _statement(change)
    return [(sql, tuple(_storable(value) if isinstance(value, str) else value for value in values))]


def _statement(change: Begin | Final | End) -> Statement:
    match change:
        case Begin(session, room, source, targets, at):
            return (
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, NULL)",
                (session, room, source, json.dumps(targets), at),
            )
        case Final(session, caption):
            return (
                "INSERT OR REPLACE INTO captions (session, segment_id, language, revision, text, "
                "start_ms, end_ms, is_source, words, speaker) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (session, *_values(caption)),
            )
        case End(session, at):
            return "UPDATE sessions SET ended_at = ? WHERE id = ?", (at, session)


def encode_change(change: Change) -> str:
    """One line, in ASCII."""
    match change:
        case Begin():
            return json.dumps({"type": "begin", **asdict(change)})
        case Final(session, caption):
            fields = asdict(caption) | {"words": [word_fields(word) for word in caption.words]}
            return json.dumps({"type": "final", "session": session, **fields})
        case End():
            return json.dumps({"type": "end", **asdict(change)})
        case Forget():
            return json.dumps({"type": "forget", **asdict(change)})


def decode_change(line: str) -> Change:
    """Raises ValueError for what `encode_change` has not written."""
    try:
        change = _change(json.loads(line))
        _check(change)
        for part in (change.caption, *change.caption.words) if isinstance(change, Final) else ():
            _check(part)
        return change
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a change: {error}") from error


def _change(found: dict[str, Any]) -> Change:
    match found.pop("type"):
        case "begin":
            targets: tuple[str, ...] = tuple(found.pop("targets"))
            return Begin(**found, targets=targets)
        case "final":
            session, words = found.pop("session"), parse_words(found.pop("words"))
            return Final(session, Caption(**found, words=words))
        case "end":
            return End(**found)
        case "forget":
            return Forget(**found)
        case other:
            raise ValueError(f"unknown type {other!r:.80}")


def _check(part: Change | Caption | Word) -> None:
    """Raises TypeError for a value that the store could not take, and would hold up all others."""
    for field in fields(part):
        value: object = getattr(part, field.name)
        kind = _KINDS.get(str(field.type), object)
        if not isinstance(value, kind) or (isinstance(value, int) and not -MOST < value < MOST):
            raise TypeError(f"{field.name} must be of type {field.type}, got {value!r:.80}")


def word_fields(word: Word) -> dict[str, Any]:
    """As JSON has it: the flags stand there only where they are set."""
    fields = asdict(word)
    return {name: value for name, value in fields.items() if value or name not in _FLAGS}


def parse_words(words: Sequence[Mapping[str, Any]]) -> tuple[Word, ...]:
    """Raises TypeError for what `word_fields` does not make."""
    return tuple(Word(**word) for word in words)


def _values(caption: Caption) -> tuple[Any, ...]:
    words = [word_fields(word) for word in caption.words]
    return (
        caption.segment_id,
        caption.language,
        caption.revision,
        caption.text,
        caption.start_ms,
        caption.end_ms,
        caption.is_source,
        json.dumps(words, ensure_ascii=False) if words else None,
        caption.speaker,
    )


def _storable(text: str) -> str:
    """Half a surrogate pair has no place in UTF-8: a change with one would hold up all others."""
    return text.encode("utf-8", "replace").decode("utf-8")
