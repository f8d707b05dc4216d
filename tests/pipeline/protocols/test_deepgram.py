"""Messages as a client sends them; the answers are parsed by the types of the vendor's SDK."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from deepgram.listen.v1.types import (
    ListenV1Error,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)

from surtitle.pipeline.config import LiveConfig, Term
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocols.client_events import Audio, Flush, Reply, Stop
from surtitle.pipeline.protocols.deepgram import ListenDialect, parse_query

PCM = [("encoding", "linear16"), ("sample_rate", "16000")]


def listen(*query: tuple[str, str]) -> ListenDialect:
    request = parse_query([*PCM, *query])
    return ListenDialect(request, "s-1", "script", "2026-11-24T10:15:00Z")


def caption(segment_id: int, text: str, language: str = "en", *, is_final: bool = False) -> Caption:
    return Caption(segment_id, 0, language, text, 1000, 2000, is_final)


def types(messages: list[str]) -> list[str]:
    return [json.loads(message)["type"] for message in messages]


def results(messages: list[str]) -> ListenV1Results:
    (message,) = messages
    return ListenV1Results.model_validate_json(message)


def test_the_query_says_what_to_listen_to() -> None:
    request = parse_query(
        [*PCM, ("language", "en-US"), ("keyterm", "Tarifa"), ("keyterm", "ferry"), ("model", "x")]
    )
    assert request.config == LiveConfig("en", (), "fresh", (Term("Tarifa", {}), Term("ferry", {})))
    assert (request.language, request.sample_rate_hz) == ("en", 16_000)
    assert not request.has_drafts


def test_a_translation_is_stable() -> None:
    request = parse_query([*PCM, ("translate", "es")])
    assert (request.language, request.config) == ("es", LiveConfig("en", ("es",), "stable"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoding", "opus"),
        ("sample_rate", "4000"),
        ("sample_rate", "²"),
        ("channels", "2"),
        ("language", "multi"),
        ("translate", "spanish"),
        ("interim_results", "maybe"),
        ("utterance_end_ms", "10"),
        ("multichannel", "true"),
        ("callback", "https://example.org"),
    ],
)
def test_what_is_not_served_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name}|{value}"):
        parse_query([*PCM, (name, value)])


def test_the_sample_rate_must_be_given() -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        parse_query(PCM[:1])


def test_a_final_has_words_with_their_share_of_the_time() -> None:
    message = results(listen().encode(caption(0, "Hello, Tarifa's", is_final=True)))
    assert (message.start, message.duration, message.is_final) == (1.0, 1.0, True)
    (alternative,) = message.channel.alternatives
    assert alternative.transcript == "Hello, Tarifa's"
    assert [word.word for word in alternative.words] == ["hello", "tarifa's"]
    assert [word.punctuated_word for word in alternative.words] == ["Hello,", "Tarifa's"]
    assert alternative.words[0].start == 1.0 and alternative.words[-1].end == 2.0
    assert alternative.words[0].end == alternative.words[1].start == 1.429


def test_drafts_are_sent_when_asked_for() -> None:
    draft = caption(0, "hello")
    assert listen().encode(draft) == []
    message = results(listen(("interim_results", "true")).encode(draft))
    assert (message.is_final, message.speech_final) == (False, False)


def test_results_are_in_the_language_asked_for() -> None:
    dialect = listen(("translate", "es"))
    assert dialect.encode(caption(0, "hello", is_final=True)) == []
    message = results(dialect.encode(caption(0, "hola", "es", is_final=True)))
    assert message.channel.alternatives[0].transcript == "hola"


def test_control_messages() -> None:
    dialect = listen()
    assert dialect.receive('{"type": "KeepAlive"}') == []
    assert dialect.receive('{"type": "Finalize"}') == [Flush()]
    assert dialect.receive('{"type": "CloseStream"}') == [Stop()]


def test_the_final_after_finalize_says_so() -> None:
    dialect = listen(("interim_results", "true"))
    dialect.receive('{"type": "Finalize"}')
    sent = [caption(0, "a"), caption(0, "a b", is_final=True), caption(1, "c", is_final=True)]
    assert [results(dialect.encode(one)).from_finalize for one in sent] == [False, True, False]


def test_metadata_tells_what_was_received() -> None:
    dialect = listen()
    assert dialect.receive(b"\x01\x02" * 8000) == [Audio(b"\x01\x02" * 8000)]
    (farewell,) = dialect.farewell()
    metadata = ListenV1Metadata.model_validate_json(farewell)
    assert metadata.duration == 0.5
    assert metadata.sha256 == hashlib.sha256(b"\x01\x02" * 8000).hexdigest()
    assert metadata.request_id == "s-1"


def test_speech_is_said_to_start_once_a_segment() -> None:
    dialect = listen(("vad_events", "true"), ("interim_results", "true"))
    found = [types(dialect.encode(caption(n, "x"))) for n in (0, 0, 1)]
    assert found == [["SpeechStarted", "Results"], ["Results"], ["SpeechStarted", "Results"]]
    (started, _) = dialect.encode(caption(2, "x"))
    assert ListenV1SpeechStarted.model_validate_json(started).timestamp == 1.0


def test_an_utterance_ends_after_enough_silence_and_once() -> None:
    dialect = listen(("utterance_end_ms", "1000"))
    dialect.encode(caption(0, "hello"))
    assert dialect.heard(9000) == []  # still open
    dialect.encode(caption(0, "hello", is_final=True))
    assert dialect.heard(2999) == []
    (message,) = dialect.heard(3000)
    assert ListenV1UtteranceEnd.model_validate_json(message).last_word_end == 2.0
    assert dialect.heard(4000) == []


@pytest.mark.parametrize(
    "message", ["{", "[]", "3", '{"kind": 1}', '{"type": "Configure"}', '{"type": []}', b"\0\0\0"]
)
def test_what_is_wrong_is_answered_with_an_error(message: Any) -> None:
    (event,) = listen().receive(message)
    assert isinstance(event, Reply)
    assert ListenV1Error.model_validate_json(event.message).variant == "SchemaError"
