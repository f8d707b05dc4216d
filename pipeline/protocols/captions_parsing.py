"""What clients of the caption protocol say, as docs/protocol.md describes it (pure).

All that parse raise RefusedError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from ..config import ANY_LANGUAGE, AUTO, CAPTION_MODES, LiveConfig, Term
from ..errors import RefusedError
from . import Flush, Resume, Start, Stop, View, shown

VERSION = 1
CODEC = "pcm_s16le"
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 8000, 96_000
MAX_TARGETS = 8
MAX_TERMS, MAX_TERM_CHARS = 500, 100
MAX_SPEAKER_CHARS = 80

_ROOM = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SEQUENCE = re.compile(r"[0-9]{1,15}")
_JOINERS = {0x200C: None, 0x200D: None}  # invisible, and needed to write Persian and Hindi


def parse_start(message: str | bytes) -> Start | Resume:
    """The first message of a publisher."""
    fields = _object(message)
    if fields.get("type") != "start":
        raise _bad(f"the first message must be of type 'start', got {shown(fields.get('type'))}")
    if fields.get("version") != VERSION:
        raise _bad(f"version must be {VERSION}, got {shown(fields.get('version'))}")
    if "resume" in fields:
        return Resume(_text(fields, "resume"))
    if (codec := fields.get("codec")) != CODEC:
        raise _bad(f"codec must be {CODEC}, got {shown(codec)}")
    rate_hz = fields.get("sample_rate_hz")
    if type(rate_hz) is not int or not MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise _bad(
            f"sample_rate_hz must be {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ}, "
            f"got {shown(rate_hz)}"
        )
    speaker = parse_speaker(_text(fields, "speaker", ""))
    room = parse_room(_text(fields, "room", "main"))
    config = _live_config(fields, is_shared=bool(speaker))
    if speaker and config.speakers:
        raise _bad("speakers must be left out where a speaker has a name")
    return Start(room, config, rate_hz, speaker)


def parse_control(message: str) -> Flush | Stop:
    """A text message that follows."""
    match _object(message).get("type"):
        case "flush":
            return Flush()
        case "stop":
            return Stop()
        case other:
            raise _bad(f"a message of type {shown(other)} is not known; send flush or stop")


def parse_view(query: Mapping[str, str]) -> View:
    """The query of a viewer's address."""
    languages = frozenset(part for part in query.get("lang", "").split(",") if part)
    for language in languages:
        if language != AUTO and re.fullmatch("[a-z]{2}", language) is None:
            raise _bad(f"lang must be codes like es or en,es, or auto, got {shown(query['lang'])}")
    after = query.get("after", "0")
    if _SEQUENCE.fullmatch(after) is None:
        raise _bad(f"after must be a sequence number, got {shown(after)}")
    room = parse_room(query.get("room", "main"))
    return View(room, languages, query.get("session"), int(after))


def parse_room(name: str) -> str:
    if _ROOM.fullmatch(name) is None:
        raise _bad(f"room must be 1 to 64 of a-z A-Z 0-9 _ -, got {shown(name)}")
    return name


def parse_speaker(name: str) -> str:
    """A name that readers see; empty: none."""
    name = name.strip()
    if len(name) > MAX_SPEAKER_CHARS or not name.translate(_JOINERS).isprintable():
        raise _bad(
            f"speaker must be at most {MAX_SPEAKER_CHARS} printable characters, got {shown(name)}"
        )
    return name


def _live_config(fields: dict[str, Any], *, is_shared: bool) -> LiveConfig:
    """In a room that is shared, what is spoken by one may be read by the others."""
    mode = _text(fields, "mode", "fresh")
    if mode not in CAPTION_MODES:
        raise _bad(f"mode must be {' or '.join(CAPTION_MODES)}, got {shown(mode)}")
    targets = _list(fields, "targets", MAX_TARGETS)
    if not all(isinstance(target, str) for target in targets):
        raise _bad(f"targets must be codes like es, got {shown(targets)}")
    terms = tuple(_term(term) for term in _list(fields, "terms", MAX_TERMS))
    source = _text(fields, "source")
    if type(speakers := fields.get("speakers", False)) is not bool:
        raise _bad(f"speakers must be true or false, got {shown(speakers)}")
    if is_shared:
        targets = [target for target in targets if target != source]
    try:
        return LiveConfig(source, tuple(targets), mode, terms, speakers)
    except ValueError as error:
        raise _bad(f"{error!s:.200}") from error


def _term(value: object) -> Term:
    if isinstance(value, dict):
        term = cast("dict[str, object]", value)
        source, targets = term.get("source"), term.get("targets", {})
        if _is_expression(source) and isinstance(targets, dict):
            pairs = cast("dict[str, object]", targets)
            if all(
                (key == ANY_LANGUAGE or re.fullmatch("[a-z]{2}", key)) and _is_expression(text)
                for key, text in pairs.items()
            ):
                return Term(cast(str, source), cast("dict[str, str]", pairs))
    raise _bad(
        'a term must be like {"source": "harbor", "targets": {"es": "puerto"}}, '
        f"its texts 1 to {MAX_TERM_CHARS} printable characters, got {shown(cast(object, value))}"
    )


def _is_expression(value: object) -> bool:
    return (
        isinstance(value, str)
        # Half a surrogate pair could not be sent on.
        and value.translate(_JOINERS).isprintable()
        and 0 < len(value.strip()) <= MAX_TERM_CHARS
    )


def _object(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise _bad("the first message must be a text message of type 'start', got a binary one")
    try:
        value: object = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise _bad(f"a text message must be JSON, got {shown(message)}") from error
    if not isinstance(value, dict):
        raise _bad(f"a text message must be a JSON object, got {shown(message)}")
    return cast("dict[str, Any]", value)


def _text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise _bad(f"{name} must be a text, got {shown(value)}")
    return value


def _list(fields: dict[str, Any], name: str, most: int) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(cast("list[Any]", value)) > most:
        raise _bad(f"{name} must be a list of at most {most}, got {shown(cast(object, value))}")
    return cast("list[Any]", value)


def _bad(message: str) -> RefusedError:
    return RefusedError("bad_request", message)
