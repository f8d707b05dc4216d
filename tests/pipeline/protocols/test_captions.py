"""The caption protocol, with the examples of its document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.config import LiveConfig, Term
from surtitle.pipeline.events import Caption, Ended, Failed, SessionEvent, Status, Word
from surtitle.pipeline.protocols import (
    Audio,
    ClientEvent,
    Dialect,
    Flush,
    Published,
    Refuse,
    Resume,
    Snapshot,
    Start,
    Started,
    Stop,
    View,
)
from surtitle.pipeline.protocols import captions as protocol
from surtitle.pipeline.protocols.captions import PublishDialect, ViewDialect

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [
    example
    for example in map(json.loads, re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
    if "type" in example
]
CONFIG = LiveConfig("en", ("es",), "fresh", (Term("harbor", {"es": "puerto"}),))
SESSION = "20261124-101500-x7k2"


def example(message_type: str, **fields: Any) -> dict[str, Any]:
    """The document's example of a message with these fields."""
    (found,) = [
        one for one in EXAMPLES if one["type"] == message_type and fields.items() <= one.items()
    ]
    return found


START = example("start")


def sent(dialect: Dialect, event: SessionEvent | Started | Snapshot, sequence: int = 0) -> Any:
    (message,) = dialect.encode(Published(sequence, event))
    return json.loads(message)


def test_the_document_has_an_example_of_each_message() -> None:
    kinds = {"start", "started", "snapshot", "caption", "status", "error"}
    assert {one["type"] for one in EXAMPLES} == kinds


def test_started_is_as_documented() -> None:
    recognizer = example("started")["recognizer"]
    notice = f"{recognizer} cannot listen for the terms; only translations use them"
    started = Started("main", SESSION, "kq3v…", CONFIG, recognizer, (notice,), 0)
    assert sent(PublishDialect(), started) == example("started")
    assert ViewDialect({}).encode(Published(0, started)) == []


def test_a_draft_is_as_documented() -> None:
    draft = Caption(7, 3, "es", "El puerto abre a las seis", 15250, 17020, is_final=False)
    for dialect in PublishDialect(), ViewDialect({}):
        assert sent(dialect, draft, 42) == example("caption", is_final=False)


def test_a_final_of_the_language_spoken_is_as_documented() -> None:
    words = (
        Word("The", 15250, 15380, 0.9),
        Word("harbor", 15380, 15890, 0.9),
        Word("opens.", 15930, 16410, 0.9),
    )
    final = Caption(7, 4, "en", "The harbor opens.", 15250, 16410, True, True, words)
    assert sent(ViewDialect({}), final, 45) == example("caption", is_final=True)
    estimated = replace(final, words=(replace(words[0], is_estimated=True), *words[1:]))
    assert sent(ViewDialect({}), estimated)["times"] == "estimated"
    draft = replace(final, is_final=False)
    assert "words" not in sent(ViewDialect({}), draft)


def test_a_caption_names_its_speaker_where_there_is_one() -> None:
    draft = Caption(7, 3, "es", "El puerto", 15250, 17020, is_final=False)
    assert "speaker" not in sent(ViewDialect({}), draft)
    assert sent(ViewDialect({}), replace(draft, speaker="Ana"))["speaker"] == "Ana"


def test_a_status_is_as_documented() -> None:
    for dialect in PublishDialect(), ViewDialect({}):
        status = Status(640, 2, 0, 61250, 3, viewers=12)
        assert sent(dialect, status) == example("status")


def test_a_snapshot_is_as_documented() -> None:
    snapshot = Snapshot("main", SESSION, CONFIG, (), True)
    assert sent(ViewDialect({}), snapshot, 41) == example("snapshot")


def test_the_captions_in_a_snapshot_are_messages() -> None:
    captions = [Caption(n, 0, "es", "hola", 0, 900, True) for n in range(2)]
    held = tuple(Published(40 + n, caption) for n, caption in enumerate(captions))
    found = sent(ViewDialect({}), Snapshot("main", SESSION, CONFIG, held, True), 41)
    messages = [json.loads(*ViewDialect({}).encode(each)) for each in held]
    assert found["captions"] == messages


def test_the_end_of_a_session_is_told_to_its_publisher() -> None:
    assert sent(PublishDialect(), Ended("x")) == {"type": "stopped", "session": "x"}
    failed = Failed("x", "internal", "it has died")
    assert sent(PublishDialect(), failed) == {
        "type": "error", "code": "internal", "message": "it has died"
    }  # fmt: skip
    for end in Ended("x"), failed:
        assert ViewDialect({}).encode(Published(0, end)) == []


def test_an_error_is_as_documented() -> None:
    (refused,) = PublishDialect().receive(json.dumps(START | {"sample_rate_hz": 0}))
    assert isinstance(refused, Refuse)
    assert json.loads(refused.message) == example("error")


def test_half_a_surrogate_pair_is_sent_as_a_question_mark() -> None:
    broken = Caption(0, 0, "es", "hola \ud800", 0, 900, is_final=True)
    assert sent(ViewDialect({}), broken)["text"] == "hola ?"


def recorded(name: str) -> list[dict[str, Any]]:
    lines = (ROOT / "samples" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def event_of(message: dict[str, Any]) -> Caption | Status | Snapshot | None:
    """What the server has to publish for a message to be sent; None where it sends no such."""
    fields = dict(message)
    match fields.pop("type"):
        case "caption":
            is_estimated = fields.pop("times", "") == "estimated"
            words = tuple(
                Word(**word, confidence=0.9, is_estimated=is_estimated)
                for word in fields.pop("words", ())
            )
            del fields["sequence"]
            return Caption(**fields, words=words)
        case "status":
            return Status(**fields)
        case "snapshot":
            source, targets = fields["source"], tuple(fields["targets"])
            config = LiveConfig(source, targets) if source else None
            return Snapshot(fields["room"], fields["session"], config, (), fields["is_live"])
        case _:
            return None


def test_what_was_recorded_with_the_first_servers_has_only_gained_fields() -> None:
    for message in recorded("captions.jsonl"):
        event = event_of(message)
        assert event is not None
        assert message.items() <= sent(ViewDialect({}), event, message.get("sequence", 0)).items()


def test_the_recording_with_words_is_what_the_server_sends() -> None:
    messages = recorded("captions_words.jsonl")
    events = [(message, event_of(message)) for message in messages]
    assert [message["type"] for message, event in events if event is None] == ["applause"]
    for message, event in events:
        if event is not None:
            sequence = message.get("sequence", 0)
            assert sent(ViewDialect({}), event, sequence) == message


def publishing() -> PublishDialect:
    """After its start."""
    dialect = PublishDialect()
    assert dialect.receive(json.dumps(START)) == [Start("main", CONFIG, 48_000)]
    return dialect


def test_a_publisher_sends_audio_and_controls() -> None:
    dialect = publishing()
    assert dialect.receive(b"\1\2") == [Audio(b"\1\2")]
    controls = re.findall(r'`(\{"type": "(?:flush|stop)"\})`', DOCUMENT)
    events: list[ClientEvent] = [event for one in controls for event in dialect.receive(one)]
    assert events == [Flush(), Stop()]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\0\0\0", "whole 16-bit samples, got 3 bytes"),
        ('{"type": "start"}', "type 'start' is not known; send flush or stop"),
        ("", "must be JSON"),
    ],
)
def test_a_wrong_message_of_a_publisher_is_its_last(message: str | bytes, why: str) -> None:
    (refused,) = publishing().receive(message)
    assert isinstance(refused, Refuse)
    error = json.loads(refused.message)
    assert error["code"] == "bad_request" and why in error["message"]


def test_a_resume_is_the_first_message_too() -> None:
    message = json.dumps({"type": "start", "version": 1, "resume": "kq3v"})
    assert PublishDialect().receive(message) == [Resume("kq3v")]


def test_a_viewer_asks_by_its_address_and_says_nothing() -> None:
    (query,) = re.findall(r"`/v1/view\?(.*?)`", DOCUMENT)
    assert query == "room=main&lang=es"
    dialect = ViewDialect({"room": "main", "lang": "es"})
    assert dialect.begin() == [View("main", frozenset({"es"}))]
    for message in "hello", b"", "x" * 10_000:
        (refused,) = dialect.receive(message)
        assert isinstance(refused, Refuse) and len(refused.message) < 200
    (refused,) = ViewDialect({"room": "a b"}).begin()
    assert isinstance(refused, Refuse) and "room must be" in refused.message


def test_every_error_code_of_ours_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", DOCUMENT.partition("Codes:")[2].partition("#")[0]))
    package = Path(protocol.__file__).parents[1]
    sources = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    used = set(re.findall(r'(?:RefusedError|Failed)\(\s*(?:[a-z.]+, )?"([a-z_]+)"', sources))
    assert used == documented
