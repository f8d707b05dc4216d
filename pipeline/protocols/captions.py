"""The caption protocol, version 1, as docs/protocol.md describes it: the server's side (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..errors import RefusedError
from ..events import Caption, Ended, Failed, Status
from . import Audio, ClientEvent, Published, Refuse, Snapshot, Started, encode_json
from .captions_parsing import VERSION, parse_control, parse_start, parse_view

SUBPROTOCOL = "surtitle.v1"
TOKEN_PREFIX = "bearer."


class PublishDialect:
    """One connection to `/v1/publish`: a start or a resume first, then audio and controls."""

    can_resume = True

    def __init__(self) -> None:
        self._has_started = False

    def begin(self) -> list[ClientEvent]:
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Understand a message; a wrong one is the last."""
        try:
            if not self._has_started:
                start = parse_start(message)
                self._has_started = True
                return [start]
            if isinstance(message, str):
                return [parse_control(message)]
        except RefusedError as error:
            return [_refusal(error)]
        if len(message) % 2:
            why = f"audio must be whole 16-bit samples, got {len(message)} bytes"
            return [_refusal(RefusedError("bad_request", why))]
        return [Audio(message)]

    def encode(self, published: Published) -> list[str]:
        match published.event:
            case Started() as started:
                return [_started(started)]
            case Caption() | Status():
                return [published.encoded(encode_event)]
            case Ended(session_id):
                return [_encode("stopped", session=session_id)]
            case Failed(code=code, message=message):
                return [self.error(code, message)]
            case Snapshot():
                return []

    def error(self, code: str, message: str) -> str:
        return _encode("error", code=code, message=message)


class ViewDialect:
    """One connection to `/v1/view`, by the query of its address; it only reads."""

    can_resume = False

    def __init__(self, query: Mapping[str, str]) -> None:
        self._query = query

    def begin(self) -> list[ClientEvent]:
        try:
            return [parse_view(self._query)]
        except RefusedError as error:
            return [_refusal(error)]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        why = f"a viewer only reads, got {message[:80]!r}"
        return [_refusal(RefusedError("bad_request", why))]

    def encode(self, published: Published) -> list[str]:
        match published.event:
            case Caption() | Status():
                return [published.encoded(encode_event)]
            case Snapshot():
                return [published.encoded(encode_snapshot)]
            case Started() | Ended() | Failed():
                return []  # a snapshot tells viewers that nobody publishes any more

    def error(self, code: str, message: str) -> str:
        return _encode("error", code=code, message=message)


def encode_event(published: Published) -> str:
    """A caption or a status, which everyone reads alike."""
    event = published.event
    if isinstance(event, Status):
        return _encode("status", **asdict(event))
    assert isinstance(event, Caption), "what else happens, each connection tells in its way"
    fields: dict[str, Any] = {
        "sequence": published.sequence,
        "segment_id": event.segment_id,
        "revision": event.revision,
        "language": event.language,
        "text": event.text,
        "start_ms": event.start_ms,
        "end_ms": event.end_ms,
        "is_final": event.is_final,
        "is_source": event.is_source,
    }
    if event.speaker:
        fields["speaker"] = event.speaker
    if event.is_final and event.words:
        is_estimated = any(word.is_estimated for word in event.words)
        fields["times"] = "estimated" if is_estimated else "measured"
        fields["words"] = [
            {"text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms}
            for word in event.words
        ]
    return _encode("caption", **fields)


def encode_snapshot(published: Published) -> str:
    """The captions in it are encoded once for all snapshots and everyone who reads them."""
    snapshot = published.event
    assert isinstance(snapshot, Snapshot)
    config = snapshot.config
    head = _encode(
        "snapshot",
        version=VERSION,
        room=snapshot.room,
        session=snapshot.session_id,
        sequence=published.sequence,
        source=config and config.source,
        targets=config.targets if config else (),
        is_live=snapshot.is_live,
    )
    captions = ", ".join(caption.encoded(encode_event) for caption in snapshot.captions)
    return f'{head[:-1]}, "captions": [{captions}]}}'


def _started(started: Started) -> str:
    return _encode(
        "started",
        version=VERSION,
        room=started.room,
        session=started.session_id,
        resume=started.resume_key,
        source=started.config.source,
        targets=started.config.targets,
        recognizer=started.recognizer,
        notices=started.notices,
        received_samples=started.received_samples,
    )


def _refusal(error: RefusedError) -> Refuse:
    return Refuse(_encode("error", code=error.code, message=str(error)))


def _encode(message_type: str, **fields: Any) -> str:
    return encode_json({"type": message_type, **fields})
