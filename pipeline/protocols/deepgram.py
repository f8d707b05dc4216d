"""Deepgram's `/v1/listen`: audio as binary messages, transcripts as `Results` (pure).

What is served: `encoding=linear16`, `sample_rate`, one channel, `language` (`multi`: found out for
each utterance), `interim_results`, `keyterm`, `vad_events`, `utterance_end_ms`; and `translate=es`
of ours: `Results` in that language, which only grow. Options that refine a transcript (`model`,
`punctuate`, `smart_format`, ...) are taken and change nothing; those that would change its shape
are refused.
https://developers.deepgram.com/reference/speech-to-text/listen-streaming

The words of the language spoken have the times and confidences that the recognizer gave them. The
words of a translation share the time of their segment by length, and each `confidence` is 1.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..captions.order import CaptionOrder
from ..config import AUTO, LiveConfig, Term
from ..events import Caption, Ended, Failed, Status
from ..text.languages import language_rules
from ..text.tokens import tokenize
from . import (
    Audio,
    ClientEvent,
    Faults,
    Flush,
    Published,
    Refuse,
    Start,
    Stop,
    decode_json,
    encode_json,
    shown,
)

MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 8000, 96_000
MIN_UTTERANCE_END_MS, MAX_UTTERANCE_END_MS = 1000, 5000
_REFUSED = {"callback": "", "multichannel": "false", "diarize": "false", "diarize_model": ""}


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """What the query of the address asks for.

    `language` is that of the `Results`, AUTO the one that is spoken.
    """

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
    source = AUTO if source == "multi" else source
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
    """One connection to a room. `recognizer` is the name of what listens, `created` the time,
    ISO 8601."""

    can_resume = False

    def __init__(
        self, request: ListenRequest, room: str, session_id: str, recognizer: str, created: str
    ) -> None:
        self._request = request
        self._start: Start | None = Start(room, request.config, request.sample_rate_hz)
        self._session_id = session_id
        self._created = created
        self._model = {"name": recognizer, "version": "1", "arch": "surtitle"}
        self._model_uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, recognizer))
        self._sha256 = hashlib.sha256()
        self._sample_count = 0
        self._faults = Faults()
        self._order = CaptionOrder()
        self._finalize_wanted = False
        self._spoken: Caption | None = None  # the newest in the language spoken
        self._utterance_ended = True  # as told to the client

    def begin(self) -> list[ClientEvent]:
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message. What cannot be decoded is the last; other wrong ones are answered
        with an error, and the session goes on, up to MAX_FAULTS of them in a row."""
        if isinstance(message, bytes):
            return self._audio(message)
        try:
            control = decode_json(message)
        except ValueError as error:
            return [Refuse(self._schema_error(str(error), message))]
        fields = cast("dict[str, object]", control) if isinstance(control, dict) else {}
        answers: list[ClientEvent] = []
        match name := fields.get("type"):
            case "KeepAlive":
                pass
            case "Finalize":
                self._finalize_wanted = True
                answers = [Flush()]
            case "CloseStream":
                answers = [Stop()]
            case _:
                why = f"a text message must have a type that is known here, got {shown(name)}"
                return [self._faults.answer(self._schema_error(why, message))]
        self._faults.forget()
        return answers

    def encode(self, published: Published) -> list[str]:
        match published.event:
            case Caption() as caption:
                return self._captions(self._order.push(caption))
            case Status(heard_ms=heard_ms):
                return self._utterance_end(heard_ms)
            case Ended():
                return [*self._captions(self._order.flush()), self._metadata()]
            case Failed(code=code, message=message):
                return [*self._captions(self._order.flush()), self.error(code, message)]
            case _:
                return []

    def error(self, code: str, message: str) -> str:
        return _message("Error", variant=code, description=message, message="")

    def _audio(self, pcm: bytes) -> list[ClientEvent]:
        """The first audio begins the session."""
        if len(pcm) % 2:
            why = f"{len(pcm)} bytes are no whole 16-bit samples"
            return [Refuse(self._schema_error(why, ""))]
        self._faults.forget()
        self._sha256.update(pcm)
        self._sample_count += len(pcm) // 2
        start, self._start = self._start, None
        return [Audio(pcm)] if start is None else [start, Audio(pcm)]

    def _captions(self, captions: list[Caption]) -> list[str]:
        """The messages that captions lead to, which come in the order of their segments."""
        messages: list[str] = []
        for caption in captions:
            if caption.is_source:
                messages += self._speech_started(caption)
                self._spoken, self._utterance_ended = caption, False
            is_wanted = self._request.language in (caption.language, AUTO)
            if is_wanted and (caption.is_final or self._request.has_drafts):
                messages.append(self._results(caption))
        return messages

    def _utterance_end(self, heard_ms: int) -> list[str]:
        """Whether the speaker has been silent for long, now that `heard_ms` have been heard."""
        spoken, gap_ms = self._spoken, self._request.utterance_end_ms
        if gap_ms is None or self._utterance_ended or spoken is None or not spoken.is_final:
            return []
        if heard_ms - spoken.end_ms < gap_ms:
            return []
        self._utterance_ended = True
        return [_message("UtteranceEnd", channel=[0, 1], last_word_end=spoken.end_ms / 1000)]

    def _metadata(self) -> str:
        """The last message of a session that has been closed as it should."""
        return _message(
            "Metadata",
            transaction_key="deprecated",
            request_id=self._session_id,
            sha256=self._sha256.hexdigest(),
            created=self._created,
            duration=self._sample_count / self._request.sample_rate_hz,
            channels=1,
            models=[self._model_uuid],
            model_info={self._model_uuid: self._model},
        )

    def _results(self, caption: Caption) -> str:
        from_finalize = self._finalize_wanted and caption.is_final
        self._finalize_wanted = self._finalize_wanted and not caption.is_final
        words = _words(caption)
        confidence = sum(word["confidence"] for word in words) / len(words) if words else 1.0
        alternative = {
            "transcript": caption.text,
            "confidence": round(confidence, 4),
            "words": words,
        }
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

    def _schema_error(self, why: str, message: str) -> str:
        return _message("Error", variant="SchemaError", description=why, message=message[:200])


def _words(caption: Caption) -> list[dict[str, Any]]:
    """The words that were spoken with their times; those of a translation with their shares."""
    if caption.words:
        return [
            _word(word.text, word.start_ms, word.end_ms, word.confidence) for word in caption.words
        ]
    texts = [token.text for token in tokenize(caption.text, language_rules(caption.language))]
    ms_per_char = (caption.end_ms - caption.start_ms) / max(1, sum(map(len, texts)))
    words: list[dict[str, Any]] = []
    start_ms = float(caption.start_ms)
    for text in texts:
        end_ms = start_ms + len(text) * ms_per_char
        words.append(_word(text, start_ms, end_ms, 1.0))
        start_ms = end_ms
    return words


def _word(text: str, start_ms: float, end_ms: float, confidence: float) -> dict[str, Any]:
    bare = "".join(char for char in text if char.isalnum() or char in "'’-").lower()
    return {
        "word": bare or text,
        "start": round(start_ms / 1000, 3),
        "end": round(end_ms / 1000, 3),
        "confidence": round(confidence, 4),
        "punctuated_word": text,
    }


def _message(message_type: str, **fields: Any) -> str:
    return encode_json({"type": message_type, **fields})


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
