from __future__ import annotations

import json

import pytest

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.protocols.openai_audio import (
    AudioRequest,
    Heard,
    answer,
    delta,
    done,
    parse_form,
    parse_language,
)

WORDS = (Word("Hello", 500, 900, 0.5), Word("everybody.", 900, 1600, 0.5))
SEGMENTS = [
    SourceSegment(0, 0, WORDS, True, "en"),
    SourceSegment(1, 0, (Word("Sit", 2000, 2300, 1.0), Word("down.", 2300, 2600, 1.0)), True, "en"),
]
SPOKEN = Heard("en", 3000, SEGMENTS, ["Hello everybody.", "Sit down."], "en")
TRANSLATED = Heard("en", 3000, SEGMENTS, ["大家好。", "坐下。"], "zh")


def test_what_a_form_may_say() -> None:
    assert parse_form([("model", "whisper-1"), ("temperature", "0")]) == AudioRequest()
    assert parse_form(
        [
            ("language", "german"),
            ("response_format", "verbose_json"),
            ("prompt", "Tatiana, the Old Harbor; Tatiana."),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
        ]
    ) == AudioRequest("de", "verbose_json", ("Tatiana", "the Old Harbor"), ("word", "segment"))
    assert parse_form([("stream", "True"), ("response_format", "text")]).streams


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("response_format", "docx")], "response_format must be json, text, srt"),
        ([("language", "klingon")], "no language is called 'klingon'"),
        ([("timestamp_granularities[]", "word")], "need response_format verbose_json"),
        (
            [("timestamp_granularities[]", "line"), ("response_format", "verbose_json")],
            r"timestamp_granularities\[\] must be word, segment, got 'line'",
        ),
        ([("stream", "yes")], "stream must be true, false, got 'yes'"),
        ([("stream", "true"), ("response_format", "srt")], "stream needs response_format json"),
    ],
)
def test_what_it_may_not_say(fields: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        parse_form(fields)


@pytest.mark.parametrize(
    ("name", "code"),
    [("en", "en"), ("eng", "en"), ("pt-BR", "pt"), ("English", "en"), ("auto", None), ("", None)],
)
def test_a_language_by_code_or_name(name: str, code: str | None) -> None:
    assert parse_language(name) == code


def test_json_and_text() -> None:
    told = json.loads(answer(AudioRequest(), SPOKEN))
    assert told == {
        "text": "Hello everybody. Sit down.",
        "usage": {"type": "duration", "seconds": 3},
    }
    assert answer(AudioRequest(format="text"), TRANSLATED) == "大家好。坐下。\n"


def test_verbose_json_has_what_is_known() -> None:
    request = AudioRequest(format="verbose_json", granularities=("word", "segment"))
    told = json.loads(answer(request, SPOKEN))
    assert (told["task"], told["language"], told["duration"]) == ("transcribe", "english", 3.0)
    first, second = told["segments"]
    assert "".join(segment["text"] for segment in told["segments"]).strip() == told["text"]
    assert (first["id"], first["start"], first["end"]) == (0, 0.5, 1.6)
    assert (first["avg_logprob"], second["avg_logprob"]) == (-0.6931, 0.0)
    assert told["words"][1] == {"word": "everybody.", "start": 0.9, "end": 1.6}
    assert "words" not in json.loads(answer(AudioRequest(format="verbose_json"), SPOKEN))
    translated = json.loads(answer(request, TRANSLATED))
    assert (translated["task"], translated["language"]) == ("translate", "chinese")
    assert "words" not in translated


def test_nothing_that_was_said_is_an_answer_too() -> None:
    nothing = Heard("en", 3000, [], [], "en")
    assert json.loads(answer(AudioRequest(), nothing))["text"] == ""
    assert json.loads(answer(AudioRequest(format="verbose_json"), nothing))["segments"] == []
    assert answer(AudioRequest(format="srt"), nothing) == ""


def test_the_pieces_of_a_stream_are_its_text() -> None:
    pieces = [delta("Hello.", "en", is_first=True), delta("Bye.", "en", is_first=False)]
    events = [json.loads(each.removeprefix("data: ")) for each in (*pieces, done("Hello. Bye."))]
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"]
    assert [event["type"].rpartition(".")[2] for event in events] == ["delta", "delta", "done"]
    assert all(each.endswith("\n\n") for each in pieces)
