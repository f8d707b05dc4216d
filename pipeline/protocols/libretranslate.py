"""LibreTranslate's way to have text translated: JSON or a form in, JSON out (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from ..errors import RefusedError
from ..text.language_names import LANGUAGE_NAMES
from . import decode_json, shown

MAX_BYTES = 1 << 20  # of a request
MAX_TEXTS = 1000
FORMATS = ("text", "html")  # tags pass through a translation in either


@dataclass(frozen=True, slots=True)
class TextRequest:
    """`is_list`: the answer is one as well. `api_key` is "" where there is none."""

    texts: tuple[str, ...]
    source: str
    target: str
    is_list: bool
    api_key: str


def parse_request(body: bytes, content_type: str) -> TextRequest:
    """Raises RefusedError."""
    fields = _fields(body, content_type)
    q, source, target = fields.get("q"), fields.get("source"), fields.get("target")
    is_list = isinstance(q, list)
    texts = cast("list[object]", q) if is_list else [q]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _bad(f"q must be a text or a list of texts, got {shown(cast(object, q))}")
    if len(texts) > MAX_TEXTS:
        raise _bad(f"q may hold {MAX_TEXTS} texts, got {len(texts)}; send them in several requests")
    if not isinstance(source, str) or not isinstance(target, str):
        raise _bad(
            f"source and target must be codes like en, got {shown(source)} and {shown(target)}"
        )
    if source == "auto":
        raise _bad("source must be a language here, as nothing guesses it from a text; got 'auto'")
    if (name := fields.get("format") or "text") not in FORMATS:
        raise _bad(f"format must be {' or '.join(FORMATS)}, got {shown(name)}")
    key = fields.get("api_key") or ""
    return TextRequest(tuple(cast("list[str]", texts)), source, target, is_list, str(key))


def answer(request: TextRequest, translations: Sequence[str]) -> dict[str, Any]:
    return {"translatedText": list(translations) if request.is_list else translations[0]}


def languages(targets: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    """`targets` has the languages that each one can be translated into."""
    return [
        {"code": code, "name": LANGUAGE_NAMES.get(code, code), "targets": sorted(known)}
        for code, known in targets.items()
    ]


def error(message: str) -> dict[str, Any]:
    return {"error": message}


def _fields(body: bytes, content_type: str) -> Mapping[str, object]:
    try:
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode("ascii"), max_num_fields=20))
        fields: object = decode_json(body.decode())
    except ValueError as error:  # UnicodeDecodeError is one
        raise _bad("the body must be JSON, or a form, in UTF-8") from error
    if not isinstance(fields, dict):
        raise _bad(f"the body must be a JSON object, got {shown(fields)}")
    return cast("dict[str, object]", fields)


def _bad(message: str) -> RefusedError:
    return RefusedError("bad_request", message)
