"""What clients of the caption protocol say, with the example of its document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from surtitle.pipeline.config import LiveConfig, Term
from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.protocols import Resume, Start, View
from surtitle.pipeline.protocols.captions_parsing import parse_control, parse_start, parse_view

from .test_captions import CONFIG, START


def test_start_is_understood_as_documented() -> None:
    assert parse_start(json.dumps(START)) == Start("main", CONFIG, 48_000)


def test_what_may_be_left_out() -> None:
    start = {"type": "start", "version": 1, "source": "en", "codec": "pcm_s16le"}
    start["sample_rate_hz"] = 16_000
    assert parse_start(json.dumps(start)) == Start("main", LiveConfig("en"), 16_000)


def test_the_language_may_be_left_to_be_found_out_among_the_targets_too() -> None:
    start = parse_start(json.dumps(START | {"source": "auto", "targets": ["en", "es"]}))
    assert isinstance(start, Start)
    assert (start.config.source, start.config.targets) == ("auto", ("en", "es"))
    assert parse_view({"lang": "auto,es"}).languages == {"auto", "es"}
    with pytest.raises(RefusedError, match="got 'auto'"):
        parse_start(json.dumps(START | {"targets": ["auto"]}))


def test_unknown_fields_are_ignored() -> None:
    assert parse_start(json.dumps(START | {"color": "blue"})) == Start("main", CONFIG, 48_000)


def test_a_resume_needs_nothing_but_its_key() -> None:
    message = json.dumps({"type": "start", "version": 1, "resume": "kq3v"})
    assert parse_start(message) == Resume("kq3v")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "begin"}, "type 'start', got 'begin'"),
        ({"version": 2}, "version must be 1, got 2"),
        ({"room": "a b"}, "room must be 1 to 64 of .*, got 'a b'"),
        ({"room": "x" * 65}, "room must be"),
        ({"room": None}, "room must be a text, got None"),
        ({"source": "english"}, "a language must be a code like en or es, got 'english'"),
        ({"source": 7}, "source must be a text, got 7"),
        ({"targets": ["en"]}, "not be the source"),
        ({"targets": ["es", "es"]}, "given once"),
        ({"targets": "es"}, "targets must be a list of at most 8, got 'es'"),
        ({"targets": ["aa"] * 9}, "at most 8"),
        ({"targets": [1]}, r"targets must be codes like es, got \[1\]"),
        ({"mode": "swift"}, "mode must be stable or fresh, got 'swift'"),
        ({"codec": "opus"}, "codec must be pcm_s16le, got 'opus'"),
        ({"sample_rate_hz": 0}, "sample_rate_hz must be 8000 to 96000, got 0"),
        ({"sample_rate_hz": 44_100.0}, "got 44100.0"),
        ({"sample_rate_hz": True}, "got True"),
        ({"terms": [{"source": ""}]}, "a term must be like"),
        ({"terms": [{"source": "a", "targets": {"Spanish": "b"}}]}, "a term must be like"),
        ({"terms": [{"source": "a", "targets": {"es": "b" * 101}}]}, "1 to 100 printable"),
        ({"terms": [{"source": "\ud800"}]}, "printable characters"),
        ({"terms": ["harbor"]}, "got 'harbor'"),
        ({"resume": 5}, "resume must be a text, got 5"),
        ({"speaker": "x" * 81}, "speaker must be at most 80 printable characters"),
        ({"speaker": "A\nB"}, "speaker must be at most 80 printable characters"),
    ],
)
def test_a_wrong_start_is_told_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        parse_start(json.dumps(START | change))
    assert caught.value.code == "bad_request"


def test_a_term_may_have_the_joiners_of_persian() -> None:
    terms = [{"source": "books", "targets": {"fa": "کتاب\u200cها"}}]
    start = parse_start(json.dumps(START | {"terms": terms}))
    assert isinstance(start, Start)
    assert start.config.terms == (Term("books", {"fa": "کتاب\u200cها"}),)


@pytest.mark.parametrize("message", ["", "{", "[]", "null", "[" * 100_000, b"\0\0"])
def test_what_is_no_message(message: str | bytes) -> None:
    with pytest.raises(RefusedError, match="message must be"):
        parse_start(message)


def test_an_unknown_control_is_told() -> None:
    with pytest.raises(RefusedError, match="type 'start' is not known; send flush or stop"):
        parse_control('{"type": "start"}')


def test_a_viewer_resumes_in_several_languages() -> None:
    query = {"room": "hall-2", "lang": "en,es", "session": "s", "after": "41"}
    assert parse_view(query) == View("hall-2", frozenset({"en", "es"}), "s", 41)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"lang": "es,Deutsch"}, "lang must be codes like es or en,es, or auto, got 'es,Deutsch'"),
        ({"after": "-1"}, "after must be a sequence number, got '-1'"),
        ({"after": "9" * 16}, "after must be"),
        ({"room": "../etc"}, "got '../etc'"),
    ],
)
def test_a_wrong_view_is_told_what_is_wrong(query: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(message)):
        parse_view(query)


def test_a_speaker_may_speak_what_others_read() -> None:
    start = parse_start(json.dumps(START | {"speaker": " Ana ", "targets": ["en", "es"]}))
    assert isinstance(start, Start)
    assert (start.speaker, start.config.targets) == ("Ana", ("es",))
