"""What Bazarr asks a Whisper server: a query in, subtitles or a language out (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..errors import RefusedError
from ..text.language_names import LANGUAGE_NAMES
from . import shown
from .openai_audio import Heard, parse_language, subtitles, whole_text

Output = Literal["txt", "srt", "vtt", "json"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
MEDIA_TYPES: dict[Output, str] = {
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
}
_TASKS = ("transcribe", "translate")  # the second one into English, as Whisper does


@dataclass(frozen=True, slots=True)
class AsrRequest:
    """`is_raw`: the recording is 16-bit samples, 16 kHz, mono, without a head."""

    language: str | None
    translates: bool
    output: Output
    is_raw: bool


def parse_asr(query: Mapping[str, str]) -> AsrRequest:
    """Raises RefusedError."""
    task, output = query.get("task") or "transcribe", query.get("output") or "txt"
    if task not in _TASKS:
        raise RefusedError("bad_request", f"task must be {' or '.join(_TASKS)}, got {shown(task)}")
    if output not in OUTPUTS:
        raise RefusedError(
            "bad_request", f"output must be {', '.join(OUTPUTS)}, got {shown(output)}"
        )
    language = parse_language(query.get("language"))
    return AsrRequest(language, task == "translate", output, is_raw(query))


def is_raw(query: Mapping[str, str]) -> bool:
    """Whether the sender says that it has decoded the recording itself."""
    return (query.get("encode") or "true").lower() in ("false", "0")


def answer(request: AsrRequest, heard: Heard) -> str:
    match request.output:
        case "txt":
            return f"{whole_text(heard)}\n"
        case "srt" | "vtt":
            return subtitles(heard, request.output)
        case "json":
            return json.dumps(_fields(heard), ensure_ascii=False)


def detected(language: str, probability: float) -> dict[str, Any]:
    return {
        "detected_language": LANGUAGE_NAMES.get(language, language).lower(),
        "language_code": language,
        "confidence": round(probability, 3),
    }


def _fields(heard: Heard) -> dict[str, Any]:
    told = zip(heard.segments, heard.texts, strict=True)
    segments = [
        {"id": at, "start": segment.start_ms / 1000, "end": segment.end_ms / 1000, "text": text}
        for at, (segment, text) in enumerate(told)
    ]
    return {"text": whole_text(heard), "segments": segments, "language": heard.language}
