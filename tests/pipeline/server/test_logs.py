from __future__ import annotations

import json
import logging
import sys

from surtitle.pipeline.server.logs import JsonFormatter, PlainFormatter


def record(*, fails: bool = False) -> logging.LogRecord:
    logger = logging.getLogger("surtitle.test")
    exc_info = None
    if fails:
        try:
            raise ValueError("a bad value")
        except ValueError:
            exc_info = sys.exc_info()
    made = logger.makeRecord(
        logger.name, logging.INFO, "test.py", 1, "it %s", ("begins",), exc_info,
        extra={"room": "main", "viewers": 2},
    )  # fmt: skip
    made.created = 1_700_000_000.25
    return made


def test_a_plain_line_ends_with_the_fields() -> None:
    assert PlainFormatter().format(record()) == "22:13:20 INFO it begins room=main viewers=2"


def test_a_json_line_holds_the_fields() -> None:
    assert json.loads(JsonFormatter().format(record())) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "INFO",
        "logger": "surtitle.test",
        "message": "it begins",
        "room": "main",
        "viewers": 2,
    }


def test_a_trace_is_shown_in_either() -> None:
    assert PlainFormatter().format(record(fails=True)).endswith("ValueError: a bad value")
    line = JsonFormatter().format(record(fails=True))
    assert "\n" not in line
    assert "ValueError: a bad value" in json.loads(line)["trace"]
