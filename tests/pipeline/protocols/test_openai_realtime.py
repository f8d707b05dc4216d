"""Messages as a client sends them; the answers are parsed by the types of OpenAI's own library."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocols.client_events import Audio, Reply, Stop
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
    return TranslationDialect("sess_1", "surtitle", "en", 1_800_000_000, check)


def parsed(message: str) -> Any:
    """As OpenAI's library understands it; raises for what it would not."""
    return SERVER_EVENT.validate_json(message, strict=True)


def reply(dialect: TranslationDialect, message: object) -> Any:
    (event,) = dialect.receive(message if isinstance(message, str | bytes) else json.dumps(message))
    assert isinstance(event, Reply)
    return parsed(event.message)


def caption(
    segment_id: int, text: str, end_ms: int, language: str = "es", *, is_final: bool = False
) -> Caption:
    return Caption(segment_id, 0, language, text, 0, end_ms, is_final)


def append(pcm: bytes) -> str:
    audio = base64.b64encode(pcm).decode()
    return json.dumps({"type": "session.input_audio_buffer.append", "audio": audio})


def test_a_session_is_created_without_a_language(dialect: TranslationDialect) -> None:
    created = parsed(*dialect.greeting())
    assert (created.type, created.session.id) == ("session.created", "sess_1")
    assert created.session.audio.output.language is None
    assert dialect.config is None


def test_an_update_names_the_target(dialect: TranslationDialect) -> None:
    updated = reply(dialect, WITH_SOURCE)
    assert updated.type == "session.updated"
    assert updated.session.audio.output.language == "es"
    assert updated.session.audio.input.transcription.model == "whisper"
    assert dialect.config == LiveConfig("en", ("es",), "stable")


def test_audio_is_decoded(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    assert dialect.receive(append(b"\x01\x02\x03\x04")) == [Audio(b"\x01\x02\x03\x04")]


def test_close_ends_the_audio(dialect: TranslationDialect) -> None:
    assert dialect.receive('{"type": "session.close"}') == [Stop()]
    assert parsed(*dialect.farewell()).type == "session.closed"


def test_captions_become_text_that_grows(dialect: TranslationDialect) -> None:
    reply(dialect, SPANISH)
    captions = [
        caption(0, "El puerto", 900),
        caption(0, "El puerto", 1200),
        caption(0, "El puerto abre.", 1500, is_final=True),
        caption(1, "", 1900),
        caption(1, "Sale el barco.", 1700, is_final=True),
    ]
    events = [parsed(m) for one in captions for m in dialect.encode(one)]
    assert [event.delta for event in events] == ["El puerto", " abre.", " Sale el barco."]
    assert [event.elapsed_ms for event in events] == [1000, 1600, 2000]
    assert len({event.event_id for event in events}) == 3


def test_segments_of_a_script_without_spaces_are_joined_without(
    dialect: TranslationDialect,
) -> None:
    for text in ("港は六時に開く。", "船が出る。"):
        (message,) = dialect.encode(caption(len(text), text, 1000, "ja", is_final=True))
        assert parsed(message).delta == text


def test_the_source_is_sent_only_when_asked_for(dialect: TranslationDialect) -> None:
    english = caption(0, "The harbor", 900, "en")
    reply(dialect, SPANISH)
    assert dialect.encode(english) == []
    reply(dialect, WITH_SOURCE)
    event = parsed(*dialect.encode(english))
    assert (event.type, event.delta) == ("session.input_transcript.delta", "The harbor")


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
        ("{", "JSON"),
        ("[]", "[]"),
        ("[" * 100_000, "JSON"),
        (b"\0\0", "base64"),
        ({"type": "response.create"}, "'response.create'"),
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
    assert dialect.config is None


@pytest.mark.parametrize("audio", ["###", "AAAA", 7])
def test_broken_audio_is_answered_with_an_error(dialect: TranslationDialect, audio: object) -> None:
    reply(dialect, SPANISH)
    event = {"type": "session.input_audio_buffer.append", "audio": audio, "event_id": "mine"}
    error = reply(dialect, event).error
    assert (error.type, error.param, error.event_id) == ("invalid_request_error", "audio", "mine")
