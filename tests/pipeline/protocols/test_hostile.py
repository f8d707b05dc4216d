"""What no honest client sends, to every dialect: each answers, and none raises."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.protocols import Audio, Dialect, Refuse, Reply, Start
from surtitle.pipeline.protocols.captions import PublishDialect, ViewDialect
from surtitle.pipeline.protocols.deepgram import ListenDialect, parse_query
from surtitle.pipeline.protocols.jitsi import BridgeDialect
from surtitle.pipeline.protocols.jitsi import parse_query as parse_bridge_query
from surtitle.pipeline.protocols.openai_realtime import TranslationDialect

from .test_captions import START

LANGUAGE = {"audio": {"output": {"language": "es"}, "input": {"transcription": {"model": "x"}}}}
UPDATE = {"type": "session.update", "event_id": "e1", "session": LANGUAGE}
APPEND = {"type": "session.input_audio_buffer.append", "audio": base64.b64encode(b"\1\2").decode()}
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    10**4000,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "é",
    "\ud800",
    "\udfff\ud800",
    "x" * 100_000,
    [],
    [[[[[[[[]]]]]]]],
    {},
    {"": {"type": []}},
    {"\ud800": "\ud800"},
    [{"source": "x", "targets": []}],
    [{"source": {}, "targets": {"es": {}}}],
    ["es"] * 3,
    [["es"]],
    [None],
]
RAW: list[str | bytes] = [
    "",
    " ",
    "\0",
    "{",
    "null",
    "NaN",
    "-Infinity",
    '"\\ud800"',
    '{"type": "\\ud800", "event_id": "\\udc00"}',
    "9" * 5000,
    '{"type": ' + "9" * 5000 + "}",
    "[" * 100_000,
    '{"type": ' + "[" * 900 + "]" * 900 + "}",
    '{"type": ' * 500 + "1" + "}" * 500,
    b"",
    b"\0",
    b"\0\0\0",
    b"\xff" * 1001,
    b'{"type": "stop"}',
]


def publishing() -> Dialect:
    dialect = PublishDialect()
    (started,) = dialect.receive(json.dumps(START))
    assert isinstance(started, Start)
    return dialect


def translating() -> Dialect:
    def check(source: str, target: str) -> None:
        raise TranslatorError(f"cannot translate {source} to {target}")

    return TranslationDialect("main", "sess_1", "\ud800", "en", 1_800_000_000, check)


def translating_on() -> Dialect:
    dialect = TranslationDialect("main", "sess_1", "m", "en", 1_800_000_000, lambda *_: None)
    dialect.receive(json.dumps(UPDATE))
    return dialect


def listening() -> Dialect:
    request = parse_query([("encoding", "linear16"), ("sample_rate", "16000")])
    return ListenDialect(request, "main", "s-1", "script", "2026-11-24T10:15:00Z")


def bridging(*, is_translation: bool) -> Dialect:
    request = parse_bridge_query([("sessionId", "m")], "en", is_translation=is_translation)
    return BridgeDialect(request, lambda target: True, lambda: 0)


DIALECTS: list[Callable[[], Dialect]] = [
    PublishDialect,
    publishing,
    lambda: ViewDialect({"room": "main"}),
    listening,
    translating,
    translating_on,
    lambda: bridging(is_translation=False),
    lambda: bridging(is_translation=True),
]
HONEST: list[dict[str, Any]] = [
    START,
    {"type": "start", "version": 1, "resume": "key"},
    {"type": "flush"},
    {"type": "KeepAlive"},
    UPDATE,
    APPEND,
    {"event": "start", "start": {"tag": "a-1", "mediaFormat": {"encoding": "opus"}}},
    {"event": "media", "media": {"tag": "a-1", "chunk": 1, "timestamp": "2", "payload": "+AD/"}},
    {"event": "sources", "exports": ["a-1"], "requests": ["a-1.es", "de"]},
]


def spoiled(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by each of VALUES, one at a time."""
    yield from VALUES
    if isinstance(value, dict):
        for key, part in value.items():
            for other in spoiled(part):
                yield {**value, key: other}
    if isinstance(value, list):
        for index, part in enumerate(value):
            for other in spoiled(part):
                yield [*value[:index], other, *value[index + 1 :]]


def answers(dialect: Dialect, message: str | bytes) -> int:
    """How many messages it is answered with, each of which can be sent and read."""
    replies = [event for event in dialect.receive(message) if isinstance(event, Reply | Refuse)]
    for reply in replies:
        said = json.loads(reply.message.encode())
        assert (said.get("type") or said["event"]) and len(reply.message) < 2000
    return len(replies)


@pytest.mark.parametrize("make_dialect", DIALECTS)
def test_a_hostile_message_is_answered(make_dialect: Callable[[], Dialect]) -> None:
    for message in RAW:
        dialect = make_dialect()
        is_audio = any(isinstance(event, Audio) for event in make_dialect().receive(message))
        assert answers(dialect, message) == (0 if is_audio else 1), repr(message)[:80]
        answers(dialect, message)  # whatever comes after the last message


@pytest.mark.parametrize("make_dialect", DIALECTS)
@pytest.mark.parametrize("honest", HONEST, ids=lambda one: str(one.get("type", one.get("event"))))
def test_a_field_of_a_wrong_kind_is_no_surprise(
    make_dialect: Callable[[], Dialect], honest: dict[str, Any]
) -> None:
    dialect = make_dialect()
    for message in spoiled(honest):
        text = json.dumps(message)
        answers(make_dialect(), text)
        answers(dialect, text)


def test_noise_is_no_surprise() -> None:
    chance = random.Random(0)
    parts = [json.dumps(honest) for honest in HONEST]
    for _ in range(2000):
        text = list(chance.choice(parts))
        for _ in range(chance.randrange(1, 6)):
            text[chance.randrange(len(text))] = chance.choice('{}[]",:\\u0ed8 \0é1')
        for make_dialect in DIALECTS:
            answers(make_dialect(), "".join(text))
