"""OpenAI's `/v1/realtime/translations`: JSON events, audio as base64, one target language (pure).

Transcripts only grow there, so it carries sessions in stable mode. There is no translated audio.
https://developers.openai.com/api/reference/resources/realtime/translation-server-events
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from itertools import count
from typing import Any, cast

from ..config import LiveConfig
from ..errors import SurtitleError
from ..events import Caption
from ..text.languages import language_rules
from .client_events import Audio, ClientEvent, Reply, Stop

SAMPLE_RATE_HZ = 24_000
FRAME_MS = 200  # `elapsed_ms` counts in these


class TranslationDialect:
    """One connection: what the client has asked for, and how far its transcripts have grown.

    `config` is what to listen to, None until the client has named the target language. `check`
    raises SurtitleError for a pair of languages that cannot be translated.
    """

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(
        self,
        session_id: str,
        model: str,
        source: str,
        expires_at_s: int,
        check: Callable[[str, str], None],
    ) -> None:
        self.config: LiveConfig | None = None
        self._session_id = session_id
        self._model = model
        self._source = source
        self._expires_at_s = expires_at_s
        self._check = check
        self._has_audio = False
        self._source_model: str | None = None  # where set, the client wants the source text too
        self._transcripts: dict[str, _Transcript] = {}
        self._event_numbers = count(1)

    def greeting(self) -> list[str]:
        return [self._event("session.created", session=self._session())]

    def farewell(self) -> list[str]:
        return [self._event("session.closed")]

    def error(self, code: str, message: str) -> str:
        """An error that ends the session."""
        kind = "server_error" if code == "internal" else "invalid_request_error"
        return self._event("error", error={"type": kind, "code": code, "message": message})

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message; a bad one is answered with an error, and the session goes on."""
        event_id: object = None
        try:
            event = _parse(message)
            event_id = event.get("event_id")
            match event.get("type"):
                case "session.update":
                    self._update(_object(event.get("session"), "session"))
                    return [Reply(self._event("session.updated", session=self._session()))]
                case "session.input_audio_buffer.append":
                    return [self._append(event.get("audio"))]
                case "session.close":
                    return [Stop()]
                case other:
                    raise _Invalid("type", f"an event of type {other!r} is not known here")
        except _Invalid as invalid:
            error = {
                "type": "invalid_request_error",
                "code": "invalid_value",
                "message": str(invalid),
                "param": invalid.param,
                "event_id": event_id if isinstance(event_id, str) else None,
            }
            return [Reply(self._event("error", error=error))]

    def encode(self, caption: Caption) -> list[str]:
        """What a caption adds to the transcript in its language, if anything.

        Captions come as a stable session publishes them: segment after segment, growing only.
        """
        is_source = caption.language == self._source
        if is_source and self._source_model is None:
            return []
        transcript = self._transcripts.setdefault(caption.language, _Transcript(caption.language))
        delta = transcript.push(caption)
        if not delta:
            return []
        name = f"session.{'input' if is_source else 'output'}_transcript.delta"
        return [self._event(name, delta=delta, elapsed_ms=transcript.elapsed_ms)]

    def heard(self, heard_ms: int) -> list[str]:
        """Silence is not told in this format."""
        return []

    def _update(self, session: dict[str, Any]) -> None:
        audio = _object(session.get("audio", {}), "session.audio")
        output = _object(audio.get("output", {}), "session.audio.output")
        inputs = _object(audio.get("input", {}), "session.audio.input")
        if "language" in output:
            self._set_target(output["language"])
        if "transcription" in inputs:
            self._source_model = _transcription_model(inputs["transcription"])

    def _set_target(self, language: object) -> None:
        param = "session.audio.output.language"
        if not isinstance(language, str):
            raise _Invalid(param, f"{param} must be a code like es, got {language!r}")
        try:
            config = LiveConfig(self._source, (language,), "stable")
            self._check(self._source, language)
        except (ValueError, SurtitleError) as error:
            raise _Invalid(param, str(error)) from error
        if self._has_audio and config != self.config:
            raise _Invalid(param, "the language is fixed once there is audio; open a new session")
        self.config = config

    def _append(self, audio: object) -> Audio:
        if self.config is None:
            raise _Invalid(
                "session.audio.output.language",
                "name the target language with session.update before the first audio",
            )
        if not isinstance(audio, str):
            raise _Invalid("audio", "audio must be a string of base64")
        try:
            pcm = base64.b64decode(audio, validate=True)
        except binascii.Error as error:
            raise _Invalid("audio", f"audio is not base64: {error}") from error
        if len(pcm) % 2:
            raise _Invalid("audio", f"audio must be whole 16-bit samples, got {len(pcm)} bytes")
        self._has_audio = True
        return Audio(pcm)

    def _session(self) -> dict[str, Any]:
        transcription = self._source_model and {"model": self._source_model}
        return {
            "id": self._session_id,
            "type": "translation",
            "model": self._model,
            "expires_at": self._expires_at_s,
            "audio": {
                "input": {"transcription": transcription, "noise_reduction": None},
                "output": {"language": self.config and self.config.targets[0]},
            },
        }

    def _event(self, event_type: str, **fields: Any) -> str:
        event_id = f"event_{self._session_id}_{next(self._event_numbers)}"
        return json.dumps({"type": event_type, "event_id": event_id, **fields}, ensure_ascii=False)


class _Invalid(Exception):
    """A message of the client that asks for what is not allowed, and which part of it does."""

    def __init__(self, param: str | None, message: str) -> None:
        super().__init__(message)
        self.param = param


class _Transcript:
    """The text of one language: what a client has that puts all deltas together."""

    def __init__(self, language: str) -> None:
        self.elapsed_ms = 0
        self._space = " " if language_rules(language).has_spaces else ""
        self._is_empty = True
        self._segment_id = -1
        self._shown = ""  # of that segment

    def push(self, caption: Caption) -> str:
        if caption.segment_id != self._segment_id:
            self._segment_id, self._shown = caption.segment_id, ""
        assert caption.text.startswith(self._shown), "a stable caption only grows"
        delta = caption.text[len(self._shown) :]
        if delta and not self._shown and not self._is_empty:
            delta = self._space + delta
        self._shown = caption.text
        self._is_empty = self._is_empty and not delta
        self.elapsed_ms = max(self.elapsed_ms, -(-caption.end_ms // FRAME_MS) * FRAME_MS)
        return delta


def _parse(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise _Invalid(None, "send events as text; audio is base64 in them")
    try:
        return _object(json.loads(message), "an event")
    except (ValueError, RecursionError) as error:
        raise _Invalid(None, f"an event must be JSON: {error}") from error


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Invalid(name, f"{name} must be an object, got {value!r:.80}")
    return cast("dict[str, Any]", value)


def _transcription_model(transcription: object) -> str | None:
    """The name is the client's: whatever it is, our recognizer listens."""
    param = "session.audio.input.transcription"
    if transcription is None:
        return None
    model = _object(transcription, param).get("model")
    if not isinstance(model, str) or not model:
        raise _Invalid(f"{param}.model", f"{param}.model must be a name, got {model!r}")
    return model
