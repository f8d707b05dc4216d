"""OpenAI's `/v1/realtime/translations`: JSON events, audio as base64, one target language (pure).

Transcripts only grow there, so it carries sessions in stable mode. There is no translated audio.
https://developers.openai.com/api/reference/resources/realtime/translation-server-events
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, TypeGuard, cast

from ..captions.order import CaptionOrder
from ..config import AUTO, LiveConfig
from ..errors import SurtitleError
from ..events import Caption, Ended, Failed
from ..text.languages import language_rules
from . import (
    Audio,
    ClientEvent,
    Faults,
    Published,
    Refuse,
    Reply,
    Start,
    Stop,
    decode_json,
    encode_json,
    shown,
)

SAMPLE_RATE_HZ = 24_000
MAX_NAME_CHARS = 512  # of a client's, to be said back
FRAME_MS = 200  # `elapsed_ms` counts in these


class TranslationDialect:
    """One connection to a room: what the client has asked for, and how far its transcripts have
    grown.

    `check` raises SurtitleError for a pair of languages that cannot be translated.
    """

    can_resume = False

    def __init__(
        self,
        room: str,
        session_id: str,
        model: str,
        source: str,
        expires_at_s: int,
        check: Callable[[str, str], None],
    ) -> None:
        self._room = room
        self._session_id = session_id
        self._model = model
        self._source = source
        self._expires_at_s = expires_at_s
        self._check = check
        self._config: LiveConfig | None = None  # until the client has named the target language
        self._has_audio = False
        self._source_model: str | None = None  # where set, the client wants the source text too
        self._input, self._output = _Transcript(), _Transcript()
        self._faults = Faults()
        self._event_numbers = count(1)

    def begin(self) -> list[ClientEvent]:
        return [Reply(self._event("session.created", session=self._session()))]

    def error(self, code: str, message: str) -> str:
        kind = "server_error" if code == "internal" else "invalid_request_error"
        return self._event("error", error={"type": kind, "code": code, "message": message})

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message. What cannot be decoded is the last; other wrong ones are answered
        with an error, and the session goes on, up to MAX_FAULTS of them in a row."""
        event_id: object = None
        try:
            event = _parse(message)
            event_id = event.get("event_id")
            answers = self._answers(event)
        except _Invalid as invalid:
            error = {
                "type": "invalid_request_error",
                "code": "invalid_value",
                "message": str(invalid),
                "param": invalid.param,
                "event_id": event_id if _is_name(event_id) else None,
            }
            answer = self._event("error", error=error)
            return [Refuse(answer) if invalid.is_last else self._faults.answer(answer)]
        self._faults.forget()
        return answers

    def encode(self, published: Published) -> list[str]:
        """What happens adds to the transcripts, or ends them.

        Each caption of a stable session only grows; their order is seen to here.
        """
        match published.event:
            case Caption() as caption:
                return self._deltas(caption)
            case Ended():
                return [*self._last_deltas(), self._event("session.closed")]
            case Failed(code=code, message=message):
                return [*self._last_deltas(), self.error(code, message)]
            case _:
                return []

    def _deltas(self, caption: Caption) -> list[str]:
        """What is spoken in the target language is its own translation."""
        messages: list[str] = []
        if caption.is_source:
            messages += self._delta(self._input, self._input.push(caption))
        is_own = self._config is not None and caption.language in self._config.targets
        if is_own or not caption.is_source:
            translation = replace(caption, is_source=False)
            messages += self._delta(self._output, self._output.push(translation))
        return messages

    def _last_deltas(self) -> list[str]:
        transcripts = self._input, self._output
        return [message for each in transcripts for message in self._delta(each, each.flush())]

    def _delta(self, transcript: _Transcript, delta: str) -> list[str]:
        is_source = transcript is self._input
        if not delta or (is_source and self._source_model is None):
            return []
        name = f"session.{'input' if is_source else 'output'}_transcript.delta"
        return [self._event(name, delta=delta, elapsed_ms=transcript.elapsed_ms)]

    def _answers(self, event: dict[str, Any]) -> list[ClientEvent]:
        """Raises _Invalid."""
        match event.get("type"):
            case "session.update":
                self._update(_object(event.get("session"), "session"))
                return [Reply(self._event("session.updated", session=self._session()))]
            case "session.input_audio_buffer.append":
                return self._append(event.get("audio"))
            case "session.close":
                return [Stop()]
            case other:
                raise _Invalid("type", f"an event of type {shown(other)} is not known here")

    def _update(self, session: dict[str, Any]) -> None:
        audio = _object(session.get("audio", {}), "session.audio")
        output = _object(audio.get("output", {}), "session.audio.output")
        inputs = _object(audio.get("input", {}), "session.audio.input")
        source_model = self._source_model
        if "transcription" in inputs:
            source_model = _transcription_model(inputs["transcription"])
        if "language" in output:
            self._set_target(output["language"])
        self._source_model = source_model

    def _set_target(self, language: object) -> None:
        param = "session.audio.output.language"
        if not isinstance(language, str):
            raise _Invalid(param, f"{param} must be a code like es, got {shown(language)}")
        try:
            config = LiveConfig(self._source, (language,), "stable")
            if self._source != AUTO:  # else the session's start tells
                self._check(self._source, language)
        except (ValueError, SurtitleError) as error:
            raise _Invalid(param, f"{error!s:.200}") from error
        if self._has_audio and config != self._config:
            raise _Invalid(param, "the language is fixed once there is audio; open a new session")
        self._config = config

    def _append(self, audio: object) -> list[ClientEvent]:
        """The first audio begins the session."""
        config = self._config
        if config is None:
            raise _Invalid(
                "session.audio.output.language",
                "name the target language with session.update before the first audio",
            )
        if not isinstance(audio, str):
            raise _Invalid("audio", "audio must be a string of base64", is_last=True)
        try:
            pcm = base64.b64decode(audio, validate=True)
        except ValueError as error:  # binascii.Error is one
            raise _Invalid("audio", f"audio is not base64: {error}", is_last=True) from error
        if len(pcm) % 2:
            why = f"audio must be whole 16-bit samples, got {len(pcm)} bytes"
            raise _Invalid("audio", why, is_last=True)
        if self._has_audio:
            return [Audio(pcm)]
        self._has_audio = True
        return [Start(self._room, config, SAMPLE_RATE_HZ), Audio(pcm)]

    def _session(self) -> dict[str, Any]:
        transcription = self._source_model and {"model": self._source_model}
        return {
            "id": self._session_id,
            "type": "translation",
            "model": self._model,
            "expires_at": self._expires_at_s,
            "audio": {
                "input": {"transcription": transcription, "noise_reduction": None},
                "output": {"language": self._config and self._config.targets[0]},
            },
        }

    def _event(self, event_type: str, **fields: Any) -> str:
        event_id = f"event_{self._session_id}_{next(self._event_numbers)}"
        return encode_json({"type": event_type, "event_id": event_id, **fields})


class _Invalid(Exception):
    """A message of the client that asks for what is not allowed, and which part of it does.

    `is_last`: what follows could not be understood right without it.
    """

    def __init__(self, param: str | None, message: str, *, is_last: bool = False) -> None:
        super().__init__(message)
        self.param = param
        self.is_last = is_last


class _Transcript:
    """What was spoken, or its translation: what a client has that puts all deltas together."""

    def __init__(self) -> None:
        self.elapsed_ms = 0
        self._order = CaptionOrder()
        self._is_empty = True
        self._shown: dict[int, str] = {}  # of the segments that are not final

    def push(self, caption: Caption) -> str:
        return "".join(map(self._grown, self._order.push(caption)))

    def flush(self) -> str:
        return "".join(map(self._grown, self._order.flush()))

    def _grown(self, caption: Caption) -> str:
        before = self._shown.pop(caption.segment_id, "")
        assert caption.text.startswith(before), "a stable caption only grows"
        delta = caption.text[len(before) :]
        if delta and not before and not self._is_empty:
            delta = (" " if language_rules(caption.language).has_spaces else "") + delta
        if not caption.is_final:
            self._shown[caption.segment_id] = caption.text
        self._is_empty = self._is_empty and not delta
        self.elapsed_ms = max(self.elapsed_ms, -(-caption.end_ms // FRAME_MS) * FRAME_MS)
        return delta


def _parse(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise _Invalid(None, "send events as text; audio is base64 in them", is_last=True)
    try:
        event = decode_json(message)
    except ValueError as error:
        raise _Invalid(None, str(error), is_last=True) from error
    return _object(event, "an event")


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Invalid(name, f"{name} must be an object, got {shown(value)}")
    return cast("dict[str, Any]", value)


def _transcription_model(transcription: object) -> str | None:
    """The name is the client's: whatever it is, our recognizer listens."""
    param = "session.audio.input.transcription"
    if transcription is None:
        return None
    model = _object(transcription, param).get("model")
    if not _is_name(model):
        raise _Invalid(f"{param}.model", f"{param}.model must be a name, got {shown(model)}")
    return model


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS
