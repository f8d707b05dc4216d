"""OpenAI's audio endpoints, transcriptions and translations: forms in, answers out (pure).

What it asks for and cannot be had here is left out of answers where its clients allow that, and
else has the value that says nothing: `seek`, `tokens`, `temperature` and `no_speech_prob`.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..errors import RefusedError
from ..events import SourceSegment
from ..subtitles.build import source_cues, translated_cues
from ..subtitles.check import SubtitleRules
from ..subtitles.files import subtitle_text
from ..text.codes import two_letters
from ..text.language_names import LANGUAGE_NAMES
from ..text.languages import language_rules
from . import shown

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]
FORMATS: tuple[Format, ...] = get_args(Format)
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "verbose_json": "application/json",
    "vtt": "text/vtt; charset=utf-8",
}
TRANSLATES_INTO = "en"
MAX_EXPECTED = 100  # of a prompt

_CODES = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
_RULES = SubtitleRules()

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AudioRequest:
    """What becomes of a recording. `language` is the one spoken, None: it is found out; `expected`
    are the parts of the prompt."""

    language: str | None = None
    format: Format = "json"
    expected: tuple[str, ...] = ()
    granularities: tuple[Granularity, ...] = ("segment",)
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a recording. `texts` are what is told of each segment: what was said, or its
    translation into `text_language`."""

    language: str
    duration_ms: int
    segments: Sequence[SourceSegment]
    texts: Sequence[str]
    text_language: str

    @property
    def is_translated(self) -> bool:
        return self.text_language != self.language


def parse_form(fields: Fields) -> AudioRequest:
    """The request of a form; what is not known of it changes nothing. Raises RefusedError."""
    known = dict(fields)
    answer_format = _one_of(FORMATS, "response_format", known.get("response_format") or "json")
    granularities = tuple(
        _one_of(GRANULARITIES, "timestamp_granularities[]", value)
        for name, value in fields
        if name.removesuffix("[]") == "timestamp_granularities"
    )
    if granularities and answer_format != "verbose_json":
        raise _bad("timestamp_granularities need response_format verbose_json")
    streams = _one_of(("true", "false"), "stream", (known.get("stream") or "false").lower())
    if streams == "true" and answer_format not in ("json", "text"):
        raise _bad(f"stream needs response_format json or text, got {answer_format}")
    return AudioRequest(
        parse_language(known.get("language")),
        answer_format,
        _expected(known.get("prompt", "")),
        granularities or ("segment",),
        streams == "true",
    )


def parse_language(name: str | None) -> str | None:
    """ISO 639-1 of a code or an English name; None where none is given. Raises RefusedError."""
    if not name or name == "auto":
        return None
    code = two_letters(name) or _CODES.get(name.lower())
    if code is None:
        raise RefusedError("unsupported_language", f"no language is called {shown(name)}")
    return code


def answer(request: AudioRequest, heard: Heard) -> str:
    """The body of an answer."""
    match request.format:
        case "json":
            return _json({"text": whole_text(heard), "usage": _usage(heard)})
        case "text":
            return f"{whole_text(heard)}\n"
        case "verbose_json":
            return _json(_verbose(request, heard))
        case "srt" | "vtt":
            return subtitles(heard, request.format)


def subtitles(heard: Heard, subtitle_format: Literal["srt", "vtt"]) -> str:
    if heard.is_translated:
        cues = translated_cues(heard.segments, heard.texts, heard.text_language, _RULES)
    else:
        cues = source_cues(heard.segments, _RULES)
    return subtitle_text(cues, subtitle_format)


def whole_text(heard: Heard) -> str:
    return joined(heard.texts, heard.text_language)


def joined(texts: Iterable[str], language: str) -> str:
    return _between(language).join(filter(None, texts))


def delta(text: str, language: str, *, is_first: bool) -> str:
    """An event of a stream: a text that goes on."""
    text = text if is_first else f"{_between(language)}{text}"
    return _event({"type": "transcript.text.delta", "delta": text})


def done(text: str) -> str:
    """The last event of a stream."""
    return _event({"type": "transcript.text.done", "text": text})


def error(message: str, code: str | None = None, *, is_ours: bool = False) -> dict[str, Any]:
    """The body of a refusal. `is_ours`: not the request is at fault."""
    kind = "server_error" if is_ours else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_event(message: str) -> str:
    """The end of a stream that has failed."""
    return _event({"type": "error", **error(message, is_ours=True)})


def _verbose(request: AudioRequest, heard: Heard) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "translate" if heard.is_translated else "transcribe",
        "language": LANGUAGE_NAMES.get(heard.text_language, heard.text_language).lower(),
        "duration": heard.duration_ms / 1000,
        "text": whole_text(heard),
        "usage": _usage(heard),
    }
    if "segment" in request.granularities:
        told = zip(heard.segments, heard.texts, strict=True)
        body["segments"] = [
            _segment(number, segment, _between(heard.text_language) + text)
            for number, (segment, text) in enumerate(told)
        ]
    if "word" in request.granularities and not heard.is_translated:
        body["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for segment in heard.segments
            for word in segment.words
        ]
    return body


def _segment(number: int, segment: SourceSegment, text: str) -> dict[str, Any]:
    """The text begins with a space, as Whisper's do: joined, they are the whole text."""
    data = text.encode()
    sure = [math.log(min(1.0, max(1e-3, word.confidence))) for word in segment.words]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(sure) / len(sure), 4),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 3),
        "no_speech_prob": 0.0,
    }


def _usage(heard: Heard) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(heard.duration_ms / 1000)}


def _expected(prompt: str) -> tuple[str, ...]:
    """The names and expressions of a prompt: what its punctuation parts."""
    parts = (part.strip() for part in re.split(r"[,;.\n、，。]+", prompt))
    return tuple(dict.fromkeys(filter(None, parts)))[:MAX_EXPECTED]


def _between(language: str) -> str:
    return " " if language_rules(language).has_spaces else ""


def _one_of(allowed: Sequence[Any], name: str, value: str) -> Any:
    if value not in allowed:
        raise _bad(f"{name} must be {', '.join(allowed)}, got {shown(value)}")
    return value


def _event(fields: dict[str, Any]) -> str:
    return f"data: {_json(fields)}\n\n"


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _bad(message: str) -> RefusedError:
    return RefusedError("bad_request", message)
