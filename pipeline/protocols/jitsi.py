"""Jitsi's bridge: all that is said in a meeting, each participant's Opus under a tag (pure).

`/transcribe` answers with what was said, and with its translation into each language that somebody
reads; `/translate` with translations alone, for those who have asked for a speaker in a language.
https://jitsi.github.io/handbook/docs/devops-guide/transcription
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..audio.opus import RTP_RATE_HZ, OpusDecoder
from ..audio.pcm import SAMPLE_RATE_HZ
from ..config import LiveConfig
from ..errors import MediaError
from ..events import Caption
from . import (
    Audio,
    ClientEvent,
    Faults,
    Published,
    Reply,
    Retarget,
    Snapshot,
    Start,
    View,
    decode_json,
    encode_json,
    shown,
)
from .captions_parsing import MAX_TARGETS, parse_room

MAX_SOURCES = 200  # of one meeting; who comes then is not heard
MAX_NAME_CHARS = 80
MAX_REQUESTS = 1000
MAX_GAP_S = 20  # of silence for packets that did not come; after more a speaker begins anew
LEAST_GAP = RTP_RATE_HZ // 100  # what is less is the decoder's delay
REMEMBERED_SEGMENTS = 256  # whose translations may still come

_SOURCE = re.compile(r"([0-9A-Za-z]+)-([0-9]+|a[0-9]+)")  # endpoint, and its SSRC or audio source
_LANGUAGE = re.compile(r"([a-z]{2})([-_].*)?")
_TICKS_PER_SAMPLE = RTP_RATE_HZ // SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class BridgeRequest:
    """What the address asks for. `targets` are translated into, whatever the meeting asks for."""

    room: str
    source: str
    targets: tuple[str, ...]
    has_finals: bool
    has_drafts: bool
    is_translation: bool


def parse_query(
    query: Sequence[tuple[str, str]], default_source: str, *, is_translation: bool
) -> BridgeRequest:
    """Raises ValueError for what is not served here, RefusedError for a name that is no room's."""
    options = dict(query)
    meeting = options.get("sessionId", "")
    if not meeting:
        raise ValueError("sessionId is missing: write sessionId={{MEETING_ID}} in the url-template")
    if (encoding := options.get("encoding", "opus")) != "opus":
        raise ValueError(f"encoding must be opus, got {encoding!r}")
    spoken, read = ("source", "lang") if is_translation else ("lang", "translate")
    source = options.get(spoken) or default_source
    targets = tuple(filter(None, options.get(read, "").split(",")))
    return BridgeRequest(
        room=parse_room(options.get("room", f"{meeting}-translate" if is_translation else meeting)),
        source=source if source == default_source else _code(source),
        targets=LiveConfig(default_source, tuple(map(_code, targets))).targets,
        has_finals=_boolean(options, "sendBack"),
        has_drafts=_boolean(options, "sendBackInterim"),
        is_translation=is_translation,
    )


class BridgeDialect:
    """One meeting. Its speakers begin and end, and are told apart, by their names in the room.

    `can_translate` tells whether anything that is spoken reaches a language; `now_ms` is the clock.
    """

    can_resume = False

    def __init__(
        self,
        request: BridgeRequest,
        can_translate: Callable[[str], bool],
        now_ms: Callable[[], int],
    ) -> None:
        self._request = request
        self._can_translate = can_translate
        self._now_ms = now_ms
        self._sources: dict[str, _Source] = {}  # by tag
        self._by_name: dict[str, _Source] = {}
        self._requests: list[tuple[str, str, str]] = []  # tag or "", code of ours, as it was asked
        self._faults = Faults()
        self._session_id = ""  # of the room
        self._since_ms: dict[int, int] = {}  # when a segment was seen first
        self._told: dict[tuple[int, str], str] = {}  # of drafts that are sent in fragments

    def begin(self) -> list[ClientEvent]:
        return [View(self._request.room)]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message. A wrong one is answered with an error, and the meeting goes on, up
        to MAX_FAULTS of them in a row. What cannot be decoded of a participant concerns no other.
        """
        try:
            events = self._understand(message)
        except ValueError as error:
            return [self._faults.answer(self.error("bad_request", str(error)))]
        self._faults.forget()
        return events

    def encode(self, published: Published) -> list[str]:
        match published.event:
            case Snapshot(session_id=str(session_id)) if session_id != self._session_id:
                self._session_id = session_id
                self._since_ms.clear()
                self._told.clear()
                return []
            case Caption() as caption if caption.speaker in self._by_name:
                return self._results(caption, self._by_name[caption.speaker])
            case _:
                return []

    def error(self, code: str, message: str) -> str:
        return encode_json({"event": "error", "code": code, "message": message})

    def start(self, speaker: str) -> Start:
        """What is asked for where a speaker is heard."""
        mode = "stable" if self._request.is_translation else "fresh"
        config = LiveConfig(self._request.source, self.targets(speaker), mode)
        return Start(self._request.room, config, SAMPLE_RATE_HZ, speaker)

    def targets(self, speaker: str) -> tuple[str, ...]:
        """The languages that a speaker is to be translated into, MAX_TARGETS at most."""
        source = self._by_name.get(speaker)
        tag = source.tag if source is not None else ""
        wanted = dict.fromkeys(
            [
                *self._request.targets,
                *(code for asked_tag, code, _ in self._requests if asked_tag in ("", tag)),
            ]
        )
        reached = [
            code for code in wanted if code != self._request.source and self._can_translate(code)
        ]
        return tuple(reached[:MAX_TARGETS])

    def forget(self, speaker: str) -> None:
        """Nothing was heard of a speaker for long: what comes is a new beginning."""
        source = self._by_name.get(speaker)
        if source is not None:
            source.restart()

    def _understand(self, message: str | bytes) -> list[ClientEvent]:
        """Raises ValueError."""
        if isinstance(message, bytes):
            raise ValueError("send events as text; audio is base64 in them")
        fields = _object(decode_json(message), "an event")
        match fields.get("event"):
            case "media":
                return self._media(_object(fields.get("media"), "media"))
            case "ping":
                number = fields.get("id")
                pong = {"event": "pong"} | ({"id": number} if type(number) is int else {})
                return [Reply(encode_json(pong))]
            case "start":
                return self._begin(_object(fields.get("start"), "start"))
            case "sources":
                return self._request_languages(fields.get("requests", []))
            case "stop" | "info":
                return []
            case other:
                raise ValueError(f"an event {shown(other)} is not known here")

    def _begin(self, start: dict[str, Any]) -> list[ClientEvent]:
        """A participant comes, or comes back. Raises ValueError."""
        source = self._source(start.get("tag"))
        coding = _object(start.get("mediaFormat", {}), "mediaFormat").get("encoding", "opus")
        source.is_opus = isinstance(coding, str) and coding.lower() in ("opus", "audio/opus")
        source.restart()
        if not source.is_opus:
            why = f"{source.tag} is not heard: only opus is decoded here, not {shown(coding)}"
            return [Reply(self.error("bad_request", why))]
        return []

    def _media(self, media: dict[str, Any]) -> list[ClientEvent]:
        """Raises ValueError."""
        source, payload = self._source(media.get("tag")), media.get("payload")
        if not isinstance(payload, str):
            raise ValueError(f"payload must be a string of base64, got {shown(payload)}")
        try:
            packet = base64.b64decode(payload, validate=True)
        except ValueError as error:  # binascii.Error is one
            raise ValueError(f"payload is not base64: {error}") from error
        try:
            pcm = source.push(packet, _number(media.get("chunk")), _number(media.get("timestamp")))
        except MediaError as error:
            if source.is_told_broken:
                return []
            source.is_told_broken = True
            why = f"{source.tag} cannot be heard: {error}; is the meeting end-to-end encrypted?"
            return [Reply(self.error("bad_request", why))]
        return [Audio(pcm, source.name)] if pcm and self._is_wanted(source) else []

    def _is_wanted(self, source: _Source) -> bool:
        """Whether anybody reads what a source says: of `/translate` somebody must have asked."""
        asked = not self._request.is_translation or bool(self._request.targets)
        return asked or any(tag == source.tag for tag, _, _ in self._requests)

    def _request_languages(self, requests: object) -> list[ClientEvent]:
        """All that the meeting wants to read, from now on. Raises ValueError.

        `/transcribe` is asked for languages, `/translate` for a source in a language, "SOURCE.es".
        """
        if not isinstance(requests, list) or len(cast("list[Any]", requests)) > MAX_REQUESTS:
            raise ValueError(f"requests must be a list of at most {MAX_REQUESTS}")
        self._requests.clear()
        for request in cast("list[Any]", requests):
            if not isinstance(request, str):
                raise ValueError(f"a request must be a text, got {shown(request)}")
            tag, _, asked = request.rpartition(".")
            if (found := _LANGUAGE.fullmatch(asked)) and bool(tag) == self._request.is_translation:
                self._requests.append((tag, found[1], asked))
        return [Retarget()]

    def _source(self, tag: object) -> _Source:
        """Raises ValueError."""
        if not isinstance(tag, str) or not (0 < len(tag) <= MAX_NAME_CHARS and tag.isprintable()):
            raise ValueError(f"tag must be 1 to {MAX_NAME_CHARS} characters, got {shown(tag)}")
        source = self._sources.get(tag)
        if source is None:
            if len(self._sources) == MAX_SOURCES:
                raise ValueError(f"{MAX_SOURCES} sources are heard, as many as can be")
            found = _SOURCE.fullmatch(tag)
            endpoint = found[1] if found else tag
            source = _Source(tag, endpoint if endpoint not in self._by_name else tag)
            self._sources[tag] = self._by_name[source.name] = source
        return source

    def _results(self, caption: Caption, source: _Source) -> list[str]:
        since_ms = self._since_ms.setdefault(caption.segment_id, self._now_ms())
        if len(self._since_ms) > REMEMBERED_SEGMENTS:
            del self._since_ms[next(iter(self._since_ms))]
        common = {
            "event": "transcription-result",
            "message_id": f"{self._session_id}-{caption.segment_id}",
            "timestamp": since_ms,
        }
        if self._request.is_translation:
            return self._dubbed(caption, common, source)
        if caption.is_source:
            return self._spoken(caption, common, source)
        return self._translated(caption, common, source) if caption.is_final else []

    def _spoken(self, caption: Caption, common: dict[str, Any], source: _Source) -> list[str]:
        if not (self._request.has_finals if caption.is_final else self._request.has_drafts):
            return []
        alternative: dict[str, Any] = {"text": caption.text}
        if caption.words:
            certain = sum(word.confidence for word in caption.words) / len(caption.words)
            alternative["confidence"] = round(certain, 4)
        result = {
            "type": "transcription-result",
            "is_interim": not caption.is_final,
            "language": caption.language,
            "transcript": [alternative],
            "participant": source.participant,
        }
        return [encode_json(common | result)]

    def _translated(self, caption: Caption, common: dict[str, Any], source: _Source) -> list[str]:
        """Jitsi Meet takes a translation for final, and compares the language letter by letter with
        what it has asked for."""
        if not self._request.has_finals:
            return []
        asked = [caption.language] * (caption.language in self._request.targets)
        asked += [as_asked for _, code, as_asked in self._requests if code == caption.language]
        results = [
            {
                "type": "translation-result",
                "language": language,
                "text": caption.text,
                "participant": source.participant,
            }
            for language in dict.fromkeys(asked)
        ]
        return [encode_json(common | result) for result in results]

    def _dubbed(self, caption: Caption, common: dict[str, Any], source: _Source) -> list[str]:
        """What is said in a language that somebody wants is its own translation. Of drafts what is
        new is sent, as these only grow."""
        codes = dict.fromkeys(code for tag, code, _ in self._requests if tag == source.tag)
        if caption.language not in (*self._request.targets, *codes):
            return []
        key = caption.segment_id, caption.language
        text = caption.text
        if caption.is_final:
            self._told.pop(key, None)
        else:
            text = text.removeprefix(self._told.get(key, ""))
            self._told[key] = caption.text
        if not text or not (
            self._request.has_finals if caption.is_final else self._request.has_drafts
        ):
            return []
        result = {
            "type": "realtime-translation-result",
            "is_interim": not caption.is_final,
            "language": caption.language,
            "transcript": [{"text": text}],
            "participant": {"id": source.tag},
        }
        return [encode_json(common | result)]


class _Source:
    """One participant's audio, as it arrives."""

    def __init__(self, tag: str, name: str) -> None:
        self.tag = tag
        self.name = name
        self.is_opus = True
        self.is_told_broken = False
        self.restart()

    @property
    def participant(self) -> dict[str, str]:
        found = _SOURCE.fullmatch(self.tag)
        if found is None:
            return {"id": self.tag}
        return {"id": found[1]} | ({"ssrc": found[2]} if found[2].isdigit() else {"tag": self.tag})

    def restart(self) -> None:
        self._decoder: OpusDecoder | None = None
        self._last_chunk: int | None = None
        self._expected: int | None = None  # the time stamp of the next packet

    def push(self, packet: bytes, chunk: int | None, timestamp: int | None) -> bytes:
        """What is heard, with silence for packets that did not come; nothing of one that comes
        twice or late. Raises MediaError."""
        if not self.is_opus:
            return b""
        if chunk is not None:
            if self._last_chunk is not None and chunk <= self._last_chunk:
                return b""
            self._last_chunk = chunk
        self._decoder = self._decoder or OpusDecoder()
        silence = self._silence_before(timestamp)
        pcm = self._decoder.push(packet)
        if timestamp is not None:
            self._expected = timestamp + len(pcm) // 2 * _TICKS_PER_SAMPLE
        return silence + pcm

    def _silence_before(self, timestamp: int | None) -> bytes:
        if timestamp is None or self._expected is None:
            return b""
        missing = (timestamp - self._expected) % 2**32  # time stamps begin anew at 2^32
        if not LEAST_GAP <= missing <= MAX_GAP_S * RTP_RATE_HZ:
            return b""
        return bytes(2 * (missing // _TICKS_PER_SAMPLE))


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {shown(value)}")
    return cast("dict[str, Any]", value)


def _number(value: object) -> int | None:
    """A number, which some write as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**15 else None


def _code(language: str) -> str:
    """en-US is en. Raises ValueError."""
    found = _LANGUAGE.fullmatch(language)
    if found is None:
        raise ValueError(f"a language must be a code like en or es, got {language!r}")
    return found[1]


def _boolean(options: dict[str, str], name: str) -> bool:
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, got {text!r}")
    return text == "true"
