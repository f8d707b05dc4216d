"""Messages as a client sends them; the answers are parsed by the types of the vendor's SDK."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
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
from surtitle.pipeline.events import Caption, Ended, Failed, SessionEvent, Status, Word
from surtitle.pipeline.protocols import (
    MAX_FAULTS,
    Audio,
    Flush,
    Published,
    Refuse,
    Reply,
    Start,
    Stop,
)
from surtitle.pipeline.protocols.deepgram import ListenDialect, parse_query

PCM = [("encoding", "linear16"), ("sample_rate", "16000")]


def listen(*query: tuple[str, str]) -> ListenDialect:
    request = parse_query([*PCM, *query])
    return ListenDialect(request, "hall", "s-1", "script", "2026-11-24T10:15:00Z")


def sent(dialect: ListenDialect, event: SessionEvent) -> list[str]:
    return dialect.encode(Published(0, event))


def heard(dialect: ListenDialect, heard_ms: int) -> list[str]:
    return sent(dialect, Status(0, 0, 0, heard_ms, 0))


def caption(
    segment_id: int, text: str, language: str = "en", *, revision: int = 0, is_final: bool = False
) -> Caption:
    is_source = language == "en"
    return Caption(segment_id, revision, language, text, 1000, 2000, is_final, is_source)


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
        ("language", "english"),
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


def test_words_whose_times_nobody_knows_share_the_time() -> None:
    message = results(sent(listen(), caption(0, "Hello, Tarifa's", is_final=True)))
    assert (message.start, message.duration, message.is_final) == (1.0, 1.0, True)
    (alternative,) = message.channel.alternatives
    assert alternative.transcript == "Hello, Tarifa's"
    assert [word.word for word in alternative.words] == ["hello", "tarifa's"]
    assert [word.punctuated_word for word in alternative.words] == ["Hello,", "Tarifa's"]
    assert alternative.words[0].start == 1.0 and alternative.words[-1].end == 2.0
    assert alternative.words[0].end == alternative.words[1].start == 1.429


def test_drafts_are_sent_when_asked_for() -> None:
    draft = caption(0, "hello")
    assert sent(listen(), draft) == []
    message = results(sent(listen(("interim_results", "true")), draft))
    assert (message.is_final, message.speech_final) == (False, False)


def test_results_are_in_the_language_asked_for() -> None:
    dialect = listen(("translate", "es"))
    assert sent(dialect, caption(0, "hello", is_final=True)) == []
    message = results(sent(dialect, caption(0, "hola", "es", is_final=True)))
    assert message.channel.alternatives[0].transcript == "hola"


def test_control_messages() -> None:
    dialect = listen()
    assert dialect.receive('{"type": "KeepAlive"}') == []
    assert dialect.receive('{"type": "Finalize"}') == [Flush()]
    assert dialect.receive('{"type": "CloseStream"}') == [Stop()]


def test_the_final_after_finalize_says_so() -> None:
    dialect = listen(("interim_results", "true"))
    dialect.receive('{"type": "Finalize"}')
    spoken = [caption(0, "a"), caption(0, "a b", is_final=True), caption(1, "c", is_final=True)]
    assert [results(sent(dialect, one)).from_finalize for one in spoken] == [False, True, False]


def test_the_first_audio_begins_the_session_in_the_room() -> None:
    dialect = listen()
    start = Start("hall", LiveConfig("en"), 16_000)
    assert dialect.begin() == []
    assert dialect.receive(b"\1\2") == [start, Audio(b"\1\2")]
    assert dialect.receive(b"\3\4") == [Audio(b"\3\4")]


def test_metadata_tells_what_was_received() -> None:
    dialect = listen()
    dialect.receive(b"\x01\x02" * 8000)
    (farewell,) = sent(dialect, Ended("s-9"))
    metadata = ListenV1Metadata.model_validate_json(farewell)
    assert metadata.duration == 0.5
    assert metadata.sha256 == hashlib.sha256(b"\x01\x02" * 8000).hexdigest()
    assert metadata.request_id == "s-1"


def test_a_failure_is_told_as_an_error() -> None:
    (message,) = sent(listen(), Failed("s-9", "internal", "it has died"))
    error = ListenV1Error.model_validate_json(message)
    assert (error.variant, error.description) == ("internal", "it has died")


def test_speech_is_said_to_start_once_a_segment() -> None:
    dialect = listen(("vad_events", "true"), ("interim_results", "true"))
    spoken = [
        caption(0, "x"),
        caption(0, "x y", revision=1),
        caption(0, "x y z", is_final=True),
        caption(1, "x"),
    ]
    found = [types(sent(dialect, one)) for one in spoken]
    begins = ["SpeechStarted", "Results"]
    assert found == [begins, ["Results"], ["Results"], begins]
    dialect = listen(("vad_events", "true"), ("interim_results", "true"))
    (started, _) = sent(dialect, caption(0, "x"))
    assert ListenV1SpeechStarted.model_validate_json(started).timestamp == 1.0


def test_the_words_spoken_have_their_own_times_and_confidences() -> None:
    words = (Word("Hello,", 1010, 1340, 0.98765), Word("Tarifa.", 1500, 1990, 0.5))
    spoken = replace(caption(0, "Hello, Tarifa.", is_final=True), is_source=True, words=words)
    (alternative,) = results(sent(listen(), spoken)).channel.alternatives
    found = [(w.word, w.punctuated_word, w.start, w.end, w.confidence) for w in alternative.words]
    assert found == [
        ("hello", "Hello,", 1.01, 1.34, 0.9877),
        ("tarifa", "Tarifa.", 1.5, 1.99, 0.5),
    ]
    assert alternative.confidence == pytest.approx(0.7438, abs=1e-4)


def test_the_words_of_a_translation_without_blanks_are_its_characters() -> None:
    dialect = listen(("translate", "ja"))
    message = results(sent(dialect, caption(0, "港は開く。", "ja", is_final=True)))
    (alternative,) = message.channel.alternatives
    assert [word.punctuated_word for word in alternative.words] == ["港", "は", "開", "く。"]
    assert alternative.words[-1].end == 2.0


def test_results_come_in_the_order_of_their_segments_and_once() -> None:
    dialect = listen(("translate", "es"), ("interim_results", "true"))
    arrived = [
        caption(0, "La casa", "es"),
        caption(1, "El perro", "es"),
        caption(1, "El perro duerme.", "es", is_final=True),
        caption(2, "Y el gato.", "es", is_final=True),
        caption(0, "La casa es roja.", "es", is_final=True),
        caption(4, "Fin.", "es", is_final=True),
    ]
    messages = [message for one in arrived for message in sent(dialect, one)]
    finals = [m for m in map(json.loads, messages) if m["is_final"]]
    texts = [final["channel"]["alternatives"][0]["transcript"] for final in finals]
    assert texts == ["La casa es roja.", "El perro duerme.", "Y el gato."]
    last, metadata = sent(dialect, Ended("s-9"))  # segment 3 will not come any more
    assert json.loads(last)["channel"]["alternatives"][0]["transcript"] == "Fin."
    assert json.loads(metadata)["type"] == "Metadata"


def test_an_utterance_ends_after_enough_silence_and_once() -> None:
    dialect = listen(("utterance_end_ms", "1000"))
    sent(dialect, caption(0, "hello"))
    assert heard(dialect, 9000) == []  # still open
    sent(dialect, caption(0, "hello", is_final=True))
    assert heard(dialect, 2999) == []
    (message,) = heard(dialect, 3000)
    assert ListenV1UtteranceEnd.model_validate_json(message).last_word_end == 2.0
    assert heard(dialect, 4000) == []


@pytest.mark.parametrize("message", ["[]", "3", '{"kind": 1}', '{"type": "X"}', '{"type": []}'])
def test_what_is_wrong_is_answered_with_an_error(message: str) -> None:
    dialect = listen()
    events = [event for _ in range(MAX_FAULTS) for event in dialect.receive(message)]
    assert [type(event) for event in events] == [Reply] * (MAX_FAULTS - 1) + [Refuse]
    for event in events:
        assert isinstance(event, Reply | Refuse)
        assert ListenV1Error.model_validate_json(event.message).variant == "SchemaError"


@pytest.mark.parametrize("message", ["{", "", '{"type": "\\ud800"}', "[" * 100_000, b"\0\0\0"])
def test_what_cannot_be_decoded_is_the_last(message: Any) -> None:
    (event,) = listen().receive(message)
    assert isinstance(event, Refuse)
    assert ListenV1Error.model_validate_json(event.message).variant == "SchemaError"


def test_who_is_wrong_now_and_then_is_not_let_go() -> None:
    dialect = listen()
    for fine in 5 * [b"\0\0", '{"type": "KeepAlive"}']:
        for _ in range(MAX_FAULTS - 1):
            (event,) = dialect.receive('{"type": "X"}')
            assert isinstance(event, Reply)
        dialect.receive(fine)


def said(segment_id: int, text: str, language: str) -> Caption:
    return replace(caption(segment_id, text, language, is_final=True), is_source=True)


def test_several_languages_are_spoken_under_one_name() -> None:
    dialect = listen(("language", "multi"))
    (start, _) = dialect.receive(bytes(2))
    assert isinstance(start, Start) and start.config == LiveConfig("auto")
    talk = [said(0, "Hello.", "en"), said(1, "Buenos días.", "es"), said(2, "Bye.", "en")]
    heard = [results(sent(dialect, one)).channel.alternatives[0].transcript for one in talk]
    assert heard == ["Hello.", "Buenos días.", "Bye."]


def test_what_is_spoken_in_the_language_of_the_translation_stands_among_it() -> None:
    dialect = listen(("language", "multi"), ("translate", "es"))
    talk = [
        said(0, "Hello.", "en"),
        caption(0, "Hola.", "es", is_final=True),
        said(1, "Buenos días.", "es"),
        said(2, "Bye.", "en"),
        caption(2, "Adiós.", "es", is_final=True),
    ]
    messages = [message for one in talk for message in sent(dialect, one)]
    heard = [json.loads(m)["channel"]["alternatives"][0]["transcript"] for m in messages]
    assert heard == ["Hola.", "Buenos días.", "Adiós."]
