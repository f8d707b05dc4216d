"""Messages as a client sends them; the answers are parsed by the types of OpenAI's own library."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import Caption, Ended, Failed, SessionEvent
from surtitle.pipeline.protocols import MAX_FAULTS, Audio, Published, Refuse, Reply, Start, Stop
from surtitle.pipeline.protocols.openai_realtime import TranslationDialect

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(get_args(RealtimeTranslationServerEvent)[0])
SPANISH = {"type": "session.update", "session": {"audio": {"output": {"language": "es"}}}}
WITH_SOURCE = {
    "type": "session.update",
    "session": {
        "audio": {
            "input": {"transcription": {"model": "whisper"}, "noise_reduction": None},
            "output": {"language": "es"},
        }
    },
}


def check(source: str, target: str) -> None:
    if target not in ("es", "ja"):
        raise TranslatorError(f"cannot translate {source} to {target}")


@pytest.fixture
def dialect() -> TranslationDialect:
    return TranslationDialect("hall", "sess_1", "surtitle", "en", 1_800_000_000, check)


def parsed(message: str) -> Any:
    """As OpenAI's library understands it; raises for what it would not."""
    return SERVER_EVENT.validate_json(message, strict=True)


def reply(dialect: TranslationDialect, message: object) -> Any:
    (event,) = dialect.receive(message if isinstance(message, str | bytes) else json.dumps(message))
    assert isinstance(event, Reply)
    return parsed(event.message)


def refusal(dialect: TranslationDialect, message: object) -> Any:
    """The error that is the last message."""
    (event,) = dialect.receive(message if isinstance(message, str | bytes) else json.dumps(message))
    assert isinstance(event, Refuse)
    return parsed(event.message).error


def sent(dialect: TranslationDialect, event: SessionEvent) -> list[Any]:
    return [parsed(message) for message in dialect.encode(Published(0, event))]


def caption(
    segment_id: int,
    text: str,
    end_ms: int,
    language: str = "es",
    *,
    revision: int = 0,
    is_final: bool = False,
) -> Caption:
    is_source = language == "en"
    return Caption(segment_id, revision, language, text, 0, end_ms, is_final, is_source)


def append(pcm: bytes) -> str:
    audio = base64.b64encode(pcm).decode()
    return json.dumps({"type": "session.input_audio_buffer.append", "audio": audio})


def test_a_session_is_created_without_a_language(dialect: TranslationDialect) -> None:
    (greeting,) = dialect.begin()
    assert isinstance(greeting, Reply)
    created = parsed(greeting.message)
    assert (created.type, created.session.id) == ("session.created", "sess_1")
    assert created.session.audio.output.language is None


def test_an_update_names_the_target(dialect: TranslationDialect) -> None:
    updated = reply(dialect, WITH_SOURCE)
    assert updated.type == "session.updated"
    assert updated.session.audio.output.language == "es"
    assert updated.session.audio.input.transcription.model == "whisper"


def test_the_first_audio_begins_the_session_in_the_room(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    start = Start("hall", LiveConfig("en", ("es",), "stable"), 24_000)
    assert dialect.receive(append(b"\x01\x02")) == [start, Audio(b"\x01\x02")]
    assert dialect.receive(append(b"\x03\x04")) == [Audio(b"\x03\x04")]


def test_close_ends_the_audio(dialect: TranslationDialect) -> None:
    assert dialect.receive('{"type": "session.close"}') == [Stop()]
    (closed,) = sent(dialect, Ended("s-9"))
    assert closed.type == "session.closed"


def test_a_failure_is_told_as_an_error(dialect: TranslationDialect) -> None:
    (failed,) = sent(dialect, Failed("s-9", "internal", "it has died"))
    assert (failed.error.type, failed.error.message) == ("server_error", "it has died")


def test_captions_become_text_that_grows(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    captions = [
        caption(0, "El puerto", 900),
        caption(0, "El puerto", 1200, revision=1),
        caption(0, "El puerto abre.", 1500, revision=2, is_final=True),
        caption(1, "", 1900),
        caption(1, "Sale el barco.", 1700, revision=1, is_final=True),
    ]
    events = [event for one in captions for event in sent(dialect, one)]
    assert [event.delta for event in events] == ["El puerto", " abre.", " Sale el barco."]
    assert [event.elapsed_ms for event in events] == [1000, 1600, 2000]
    assert len({event.event_id for event in events}) == 3


def test_sentences_are_said_in_their_order_and_once(dialect: TranslationDialect) -> None:
    arrived = [
        caption(0, "La casa", 900),
        caption(1, "El perro", 1900),
        caption(0, "La casa es roja.", 900, is_final=True),
        caption(2, "Y el gato", 2900),
        caption(1, "El perro duerme.", 1900, is_final=True),
        caption(4, "Fin.", 4900, is_final=True),
    ]
    events = [event for one in arrived for event in sent(dialect, one)]
    said = "".join(event.delta for event in events)
    assert said == "La casa es roja. El perro duerme. Y el gato"
    last, closed = sent(dialect, Ended("s-9"))  # what is missing comes no more
    assert (last.delta, closed.type) == (" Fin.", "session.closed")


def test_segments_of_a_script_without_spaces_are_joined_without(
    dialect: TranslationDialect,
) -> None:
    for segment_id, text in enumerate(("港は六時に開く。", "船が出る。")):
        (event,) = sent(dialect, caption(segment_id, text, 1000, "ja", is_final=True))
        assert event.delta == text


def test_the_source_is_sent_only_when_asked_for(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    assert sent(dialect, caption(0, "The harbor", 900, "en")) == []
    reply(dialect, WITH_SOURCE)
    (event,) = sent(dialect, caption(0, "The harbor opens", 1200, "en", revision=1))
    assert (event.type, event.delta) == ("session.input_transcript.delta", " opens")


def test_audio_before_the_language_is_refused(dialect: TranslationDialect) -> None:
    assert "session.update" in reply(dialect, append(b"\0\0")).error.message


def test_the_language_is_fixed_once_there_is_audio(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    dialect.receive(append(b"\0\0"))
    japanese = {"type": "session.update", "session": {"audio": {"output": {"language": "ja"}}}}
    assert "open a new session" in reply(dialect, japanese).error.message
    assert reply(dialect, SPANISH).session.audio.output.language == "es"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("[]", "[]"),
        ({"type": "response.create"}, "'response.create'"),
        ({"type": [[[[7]]]]}, "of type [[[...]]]"),
        ({"type": "session.update"}, "None"),
        ({"type": "session.update", "session": {"audio": 3}}, "session.audio must be"),
        ({"type": "session.update", "session": {"audio": {"output": {"language": 3}}}}, "got 3"),
        (
            {"type": "session.update", "session": {"audio": {"output": {"language": "spanish"}}}},
            "'spanish'",
        ),
        (
            {"type": "session.update", "session": {"audio": {"output": {"language": "xx"}}}},
            "en to xx",
        ),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {}}}}},
            "transcription.model",
        ),
    ],
)
def test_what_is_wrong_is_answered_with_an_error(
    dialect: TranslationDialect, message: object, said: str
) -> None:
    error = reply(dialect, message)
    assert error.type == "error" and said in error.error.message
    assert reply(dialect, append(b"")).error.param == "session.audio.output.language"


def test_who_is_wrong_too_often_is_let_go(dialect: TranslationDialect) -> None:
    for _ in range(MAX_FAULTS - 1):
        reply(dialect, {"type": "response.create", "event_id": "mine"})
    assert refusal(dialect, {"type": "response.create", "event_id": "mine"}).event_id == "mine"


def test_who_is_wrong_now_and_then_is_not(dialect: TranslationDialect) -> None:
    for _ in range(MAX_FAULTS):
        for _ in range(MAX_FAULTS - 1):
            reply(dialect, {"type": "response.create"})
        reply(dialect, SPANISH)


def test_an_update_that_is_wrong_changes_nothing(dialect: TranslationDialect) -> None:
    audio = {"output": {"language": "es"}, "input": {"transcription": 3}}
    reply(dialect, {"type": "session.update", "session": {"audio": audio}})
    assert reply(dialect, append(b"")).error.param == "session.audio.output.language"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        (b"\0\0", "base64"),
        ({"type": "\ud800"}, "surrogate"),
        ({"type": "session.update", "event_id": "\udfff"}, "surrogate"),
    ],
)
def test_what_cannot_be_decoded_is_the_last(
    dialect: TranslationDialect, message: object, said: str
) -> None:
    assert said in refusal(dialect, message).message


@pytest.mark.parametrize("audio", ["###", "AAAA", "é", "\u0661", 7, None, ["AAA="]])
def test_broken_audio_is_the_last(dialect: TranslationDialect, audio: object) -> None:
    reply(dialect, SPANISH)
    event = {"type": "session.input_audio_buffer.append", "audio": audio, "event_id": "mine"}
    error = refusal(dialect, event)
    assert (error.type, error.param, error.event_id) == ("invalid_request_error", "audio", "mine")


def test_what_is_spoken_in_the_target_language_is_input_and_output_alike() -> None:
    dialect = TranslationDialect("hall", "sess_1", "surtitle", "auto", 1_800_000_000, check)
    reply(dialect, WITH_SOURCE)
    (start, _) = dialect.receive(append(bytes(2)))
    assert isinstance(start, Start) and start.config == LiveConfig("auto", ("es",), "stable")
    spanish = replace(caption(1, "Buenos días.", 1800, is_final=True), is_source=True)
    talk = [
        caption(0, "Hello.", 900, "en", is_final=True),
        spanish,
        caption(0, "Hola.", 900, is_final=True),
        caption(2, "Bye.", 2900, "en", is_final=True),
        caption(2, "Adiós.", 2900, is_final=True),
    ]
    events = [event for one in talk for event in sent(dialect, one)]
    kinds = "input", "output"
    texts = {
        k: "".join(e.delta for e in events if e.type.startswith(f"session.{k}")) for k in kinds
    }
    assert texts == {"input": "Hello. Buenos días. Bye.", "output": "Hola. Buenos días. Adiós."}
