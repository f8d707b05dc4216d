"""Deepgram's `/v1/listen`: audio as binary messages, transcripts as `Results` (pure).

What is served: `encoding=linear16`, `sample_rate`, one channel, `language`, `interim_results`,
`keyterm`, `vad_events`, `utterance_end_ms`; and `translate=es` of ours: `Results` in that language,
which only grow. Options that refine a transcript (`model`, `punctuate`, `smart_format`, ...) are
taken and change nothing; those that would change its shape are refused.
https://developers.deepgram.com/reference/speech-to-text/listen-streaming

Captions know the time of a segment, not of its words, and not how sure the recognizer was: words
share the time of their segment by length, and each `confidence` is 1.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..config import LiveConfig, Term
from ..events import Caption
from .client_events import Audio, ClientEvent, Flush, Reply, Stop

MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 8000, 96_000
MIN_UTTERANCE_END_MS, MAX_UTTERANCE_END_MS = 1000, 5000
_REFUSED = {"callback": "", "multichannel": "false", "diarize": "false", "diarize_model": ""}


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """What the query of the address asks for. `language` is that of the `Results`."""

    config: LiveConfig
    language: str
    sample_rate_hz: int
    has_drafts: bool
    has_vad_events: bool
    utterance_end_ms: int | None


def parse_query(query: Sequence[tuple[str, str]]) -> ListenRequest:
    """Raises ValueError for what is not served here."""
    options = dict(query)
    if (encoding := options.get("encoding")) != "linear16":
        raise ValueError(f"encoding must be linear16, got {encoding!r}")
    if (channels := options.get("channels", "1")) != "1":
        raise ValueError(f"channels must be 1, got {channels!r}; mix them before sending")
    for name, harmless in _REFUSED.items():
        if options.get(name, harmless) != harmless:
            raise ValueError(f"{name} is not served here; leave it out")
    source = options.get("language", "en").split("-")[0]  # en-US is heard as en
    target = options.get("translate")
    terms = tuple(Term(value, {}) for name, value in query if name == "keyterm")
    utterance_end_ms = None
    if "utterance_end_ms" in options:
        utterance_end_ms = _integer(
            options, "utterance_end_ms", MIN_UTTERANCE_END_MS, MAX_UTTERANCE_END_MS
        )
    return ListenRequest(
        config=LiveConfig(
            source, (target,) if target else (), "stable" if target else "fresh", terms
        ),
        language=target or source,
        sample_rate_hz=_integer(options, "sample_rate", MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ),
        has_drafts=_boolean(options, "interim_results"),
        has_vad_events=_boolean(options, "vad_events"),
        utterance_end_ms=utterance_end_ms,
    )


class ListenDialect:
    """One connection. `recognizer` is the name of what listens, `created` the time, ISO 8601."""

    def __init__(
        self, request: ListenRequest, session_id: str, recognizer: str, created: str
    ) -> None:
        self.config = request.config
        self.sample_rate_hz = request.sample_rate_hz
        self._request = request
        self._session_id = session_id
        self._created = created
        self._model = {"name": recognizer, "version": "1", "arch": "surtitle"}
        self._model_uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, recognizer))
        self._sha256 = hashlib.sha256()
        self._sample_count = 0
        self._finalize_wanted = False
        self._spoken: Caption | None = None  # the newest in the language spoken
        self._utterance_ended = True  # as told to the client

    def greeting(self) -> list[str]:
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message; a bad one is answered with an error, and the session goes on."""
        if isinstance(message, bytes):
            if len(message) % 2:
                return [self._schema_error(f"{len(message)} bytes are no whole 16-bit samples", "")]
            self._sha256.update(message)
            self._sample_count += len(message) // 2
            return [Audio(message)]
        try:
            control: Any = json.loads(message)
            name = control["type"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return [self._schema_error("a text message must be a JSON object with a type", message)]
        match name:
            case "KeepAlive":
                return []
            case "Finalize":
                self._finalize_wanted = True
                return [Flush()]
            case "CloseStream":
                return [Stop()]
            case _:
                return [self._schema_error(f"a message of type {name!r} is not known", message)]

    def encode(self, caption: Caption) -> list[str]:
        """The messages that a caption of the session leads to, in any of its languages."""
        messages: list[str] = []
        if caption.language == self.config.source:
            messages += self._speech_started(caption)
            self._spoken, self._utterance_ended = caption, False
        if caption.language == self._request.language and (
            caption.is_final or self._request.has_drafts
        ):
            messages.append(self._results(caption))
        return messages

    def heard(self, heard_ms: int) -> list[str]:
        """Whether the speaker has been silent for long, now that `heard_ms` have been heard."""
        spoken, gap_ms = self._spoken, self._request.utterance_end_ms
        if gap_ms is None or self._utterance_ended or spoken is None or not spoken.is_final:
            return []
        if heard_ms - spoken.end_ms < gap_ms:
            return []
        self._utterance_ended = True
        return [_message("UtteranceEnd", channel=[0, 1], last_word_end=spoken.end_ms / 1000)]

    def farewell(self) -> list[str]:
        """The last message of a session that has been closed as it should."""
        metadata = _message(
            "Metadata",
            transaction_key="deprecated",
            request_id=self._session_id,
            sha256=self._sha256.hexdigest(),
            created=self._created,
            duration=self._sample_count / self.sample_rate_hz,
            channels=1,
            models=[self._model_uuid],
            model_info={self._model_uuid: self._model},
        )
        return [metadata]

    @staticmethod
    def error(code: str, message: str) -> str:
        """An error that ends the session."""
        return _message("Error", variant=code, description=message, message="")

    def _results(self, caption: Caption) -> str:
        from_finalize = self._finalize_wanted and caption.is_final
        self._finalize_wanted = self._finalize_wanted and not caption.is_final
        alternative = {"transcript": caption.text, "confidence": 1.0, "words": _words(caption)}
        return _message(
            "Results",
            channel_index=[0, 1],
            start=caption.start_ms / 1000,
            duration=(caption.end_ms - caption.start_ms) / 1000,
            is_final=caption.is_final,
            speech_final=caption.is_final,  # a segment ends with a sentence or at a pause
            from_finalize=from_finalize,
            channel={"alternatives": [alternative]},
            metadata={
                "request_id": self._session_id,
                "model_info": self._model,
                "model_uuid": self._model_uuid,
            },
        )

    def _speech_started(self, caption: Caption) -> list[str]:
        is_new = self._spoken is None or self._spoken.segment_id != caption.segment_id
        if not (is_new and self._request.has_vad_events):
            return []
        return [_message("SpeechStarted", channel=[0, 1], timestamp=caption.start_ms / 1000)]

    def _schema_error(self, description: str, message: str) -> Reply:
        return Reply(
            _message("Error", variant="SchemaError", description=description, message=message[:200])
        )


def _words(caption: Caption) -> list[dict[str, Any]]:
    texts = caption.text.split()
    ms_per_char = (caption.end_ms - caption.start_ms) / max(1, sum(map(len, texts)))
    words: list[dict[str, Any]] = []
    start_ms = float(caption.start_ms)
    for text in texts:
        end_ms = start_ms + len(text) * ms_per_char
        bare = "".join(char for char in text if char.isalnum() or char in "'’-").lower()
        words.append(
            {
                "word": bare or text,
                "start": round(start_ms / 1000, 3),
                "end": round(end_ms / 1000, 3),
                "confidence": 1.0,
                "punctuated_word": text,
            }
        )
        start_ms = end_ms
    return words


def _message(message_type: str, **fields: Any) -> str:
    return json.dumps({"type": message_type, **fields}, ensure_ascii=False)


def _integer(options: dict[str, str], name: str, least: int, most: int) -> int:
    text = options.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and least <= int(text) <= most):
        raise ValueError(f"{name} must be {least} to {most}, got {text!r}")
    return int(text)


def _boolean(options: dict[str, str], name: str) -> bool:
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, got {text!r}")
    return text == "true"
