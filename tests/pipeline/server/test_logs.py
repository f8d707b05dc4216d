from __future__ import annotations

import json
import logging
import sys

import pytest

from surtitle.pipeline.server.logs import (
    FREE_LINES,
    MOST_KINDS,
    WINDOW_S,
    JsonFormatter,
    PeerFilter,
    PlainFormatter,
    set_up_logs,
    warnings_shown,
)


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


def said(name: str, message: str, at_s: float, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error is not None else None
    made = logging.getLogger(name).makeRecord(
        name, logging.ERROR, "test.py", 1, message, (), exc_info
    )
    made.created = at_s
    return made


def test_what_peers_cause_is_told_a_few_times_and_then_counted() -> None:
    peers = PeerFilter()
    records = [said("uvicorn.error", "Invalid HTTP request received.", n / 10) for n in range(600)]
    assert sum(peers.filter(record) for record in records) == FREE_LINES
    other = said("uvicorn.error", "opening handshake failed", 59.0)
    assert peers.filter(other)
    later = said("uvicorn.error", "Invalid HTTP request received.", WINDOW_S)
    assert peers.filter(later)
    assert later.getMessage() == "Invalid HTTP request received. (597 more like this before)"


def test_what_a_peer_did_is_one_line_and_a_fault_of_ours_keeps_its_trace() -> None:
    peers = PeerFilter()
    invalid = said("uvicorn.error", "Invalid UTF-8 received.", 0, ValueError("a byte\nis wrong"))
    assert peers.filter(invalid)
    assert PlainFormatter().format(invalid).endswith("received.: a byte is wrong")
    ours = said("uvicorn.error", "Exception in ASGI application\n", 0, KeyError("room"))
    assert peers.filter(ours)
    assert PlainFormatter().format(ours).endswith("KeyError: 'room'")
    for name in "surtitle.pipeline.server.rooms", "surtitle":
        assert all(peers.filter(said(name, "a session failed", 0)) for _ in range(9))


def test_kinds_that_never_come_again_are_forgotten() -> None:
    peers = PeerFilter()
    for n in range(10 * MOST_KINDS):
        assert peers.filter(said("asyncio", f"{n} is new", 0))
    assert len(peers._windows) <= MOST_KINDS


def test_a_command_with_a_screen_shows_warnings_and_no_traces_of_peers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = list(logging.getLogger().handlers)
    with warnings_shown():
        logging.getLogger("surtitle").info("a session begins")
        try:
            raise ValueError("of a peer")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Invalid UTF-8.")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("ERROR Invalid UTF-8.: of a peer")
    assert logging.getLogger().handlers == handlers


def test_the_log_of_a_server_tells_of_no_single_request_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    requests = logging.getLogger("httpx2")
    before = requests.level
    try:
        set_up_logs(as_json=False)
        assert not requests.isEnabledFor(logging.INFO) and requests.isEnabledFor(logging.WARNING)
    finally:
        requests.setLevel(before)
