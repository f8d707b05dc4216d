"""The caption protocol, with the examples of its document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.config import LiveConfig, Term
from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocols import captions as protocol
from surtitle.pipeline.protocols.captions import Resume, Start, ViewRequest
from surtitle.pipeline.protocols.client_events import Flush, Stop

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, dict[str, Any]] = {
    example["type"]: example
    for example in map(json.loads, re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
    if "type" in example
}
START = EXAMPLES["start"]
CONFIG = LiveConfig("en", ("es",), "fresh", (Term("harbor", {"es": "puerto"}),))


def encoded(name: str) -> str:
    """An example's fields, encoded by the function that the server encodes them with."""
    fields = {key: value for key, value in EXAMPLES[name].items() if key not in ("type", "version")}
    match name:
        case "started" | "snapshot":
            assert fields.pop("source") == CONFIG.source
            assert tuple(fields.pop("targets")) == CONFIG.targets
            return getattr(protocol, f"encode_{name}")(config=CONFIG, **fields)
        case "caption":
            return protocol.encode_caption(fields.pop("sequence"), Caption(**fields))
        case _:
            return getattr(protocol, f"encode_{name}")(**fields)


def test_the_document_has_an_example_of_each_message() -> None:
    assert set(EXAMPLES) == {"start", "started", "snapshot", "caption", "status", "error"}


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"start"}))
def test_what_the_server_sends_is_as_documented(name: str) -> None:
    assert json.loads(encoded(name)) == EXAMPLES[name]


def test_start_is_understood_as_documented() -> None:
    assert protocol.parse_start(json.dumps(START)) == Start("main", CONFIG, 48_000)


def test_the_examples_within_sentences() -> None:
    controls = re.findall(r'`(\{"type": "(?:flush|stop)"\})`', DOCUMENT)
    assert [protocol.parse_control(control) for control in controls] == [Flush(), Stop()]
    assert json.loads(protocol.encode_stopped("x")) == {"type": "stopped", "session": "x"}
    (query,) = re.findall(r"`/v1/view\?(.*?)`", DOCUMENT)
    assert query == "room=main&lang=es"
    assert protocol.parse_view({"room": "main", "lang": "es"}) == ViewRequest(
        "main", frozenset({"es"})
    )


def test_every_error_code_of_ours_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", DOCUMENT.partition("Codes:")[2].partition("#")[0]))
    package = Path(protocol.__file__).parents[1]
    sources = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    used = set(re.findall(r'RefusedError\(\s*"([a-z_]+)"', sources))
    assert used <= documented


def test_what_may_be_left_out() -> None:
    start = {"type": "start", "version": 1, "source": "en", "codec": "pcm_s16le"}
    start["sample_rate_hz"] = 16_000
    assert protocol.parse_start(json.dumps(start)) == Start("main", LiveConfig("en"), 16_000)


def test_unknown_fields_are_ignored() -> None:
    assert protocol.parse_start(json.dumps(START | {"color": "blue"})) == Start(
        "main", CONFIG, 48_000
    )


def test_a_resume_needs_nothing_but_its_key() -> None:
    message = json.dumps({"type": "start", "version": 1, "resume": "kq3v"})
    assert protocol.parse_start(message) == Resume("kq3v")


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
    ],
)
def test_a_wrong_start_is_told_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        protocol.parse_start(json.dumps(START | change))
    assert caught.value.code == "bad_request"


def test_a_term_may_have_the_joiners_of_persian() -> None:
    terms = [{"source": "books", "targets": {"fa": "کتاب\u200cها"}}]
    start = protocol.parse_start(json.dumps(START | {"terms": terms}))
    assert isinstance(start, protocol.Start)
    assert start.config.terms == (Term("books", {"fa": "کتاب\u200cها"}),)


@pytest.mark.parametrize("message", ["", "{", "[]", "null", "[" * 100_000, b"\0\0"])
def test_what_is_no_message(message: str | bytes) -> None:
    with pytest.raises(RefusedError, match="message must be"):
        protocol.parse_start(message)


def test_an_unknown_control_is_told() -> None:
    with pytest.raises(RefusedError, match="type 'start' is not known; send flush or stop"):
        protocol.parse_control('{"type": "start"}')


def test_a_viewer_resumes_in_several_languages() -> None:
    query = {"room": "hall-2", "lang": "en,es", "session": "s", "after": "41"}
    assert protocol.parse_view(query) == ViewRequest("hall-2", frozenset({"en", "es"}), "s", 41)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"lang": "es,Deutsch"}, "lang must be codes like es or en,es, got 'es,Deutsch'"),
        ({"after": "-1"}, "after must be a sequence number, got '-1'"),
        ({"after": "9" * 16}, "after must be"),
        ({"room": "../etc"}, "got '../etc'"),
    ],
)
def test_a_wrong_view_is_told_what_is_wrong(query: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(message)):
        protocol.parse_view(query)
