from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocols.captions import ViewRequest
from surtitle.pipeline.server import hub as hub_module
from surtitle.pipeline.server.hub import (
    HELD_MESSAGES,
    OUTBOX_MESSAGES,
    SNAPSHOT_SEGMENTS,
    TRY_AGAIN_LATER,
    Hub,
    Message,
    Outbox,
)

EVERYTHING = ViewRequest("main")


def caption(
    segment_id: int, revision: int = 0, language: str = "es", *, final: bool = False
) -> Caption:
    text = f"{language}{segment_id}.{revision}"
    return Caption(segment_id, revision, language, text, segment_id * 1000, 0, final)


def live_hub(captions: Iterable[Caption] = (), session: str = "s-1") -> Hub:
    hub = Hub("main")
    hub.begin(session, LiveConfig("en", ("es",)))
    for each in captions:
        hub.publish(each)
    return hub


def sent(outbox: Outbox) -> list[dict[str, Any]]:
    """All that waits, as a viewer would read it."""
    return [json.loads(take(outbox).text) for _ in range(len(outbox))]


def take(outbox: Outbox) -> Message:
    try:
        outbox.take().send(None)
    except StopIteration as stop:  # it had not to wait
        return stop.value
    raise AssertionError("nothing waits")


def texts(messages: Iterable[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages]


def snapshot(outbox: Outbox) -> dict[str, Any]:
    (message,) = sent(outbox)
    assert message["type"] == "snapshot"
    return message


def test_a_newer_draft_replaces_the_waiting_one() -> None:
    hub = live_hub()
    outbox = hub.read()
    dropped = [hub.publish(caption(0, revision)) for revision in range(3)]
    assert dropped == [0, 1, 1]
    assert texts(sent(outbox)) == ["es0.2"]


def test_a_final_replaces_the_drafts_before_it() -> None:
    hub = live_hub()
    outbox = hub.read()
    hub.publish(caption(0, 1))
    hub.publish(caption(0, 2, "en"))
    hub.publish(caption(0, 2, final=True))
    assert texts(sent(outbox)) == ["en0.2", "es0.2"]


def test_the_sequence_grows_from_message_to_message() -> None:
    hub = live_hub()
    outbox = hub.read()
    for revision in range(4):
        for language in "en", "es":
            hub.publish(caption(0, revision, language))
    sequences = [message["sequence"] for message in sent(outbox)]
    assert sequences == [7, 8]


def test_a_full_outbox_drops_drafts_and_keeps_finals() -> None:
    hub = live_hub()
    outbox = hub.read()
    for n in range(2 * OUTBOX_MESSAGES):
        hub.publish(caption(n, final=n % 3 == 0))
    assert len(outbox) == OUTBOX_MESSAGES
    kept = texts(sent(outbox))
    finals = [caption(n).text for n in range(0, 2 * OUTBOX_MESSAGES, 3)]
    assert [text for text in kept if text in finals] == finals
    assert kept[-1] == f"es{2 * OUTBOX_MESSAGES - 1}.0"  # of the drafts, the oldest go


def test_a_viewer_too_slow_for_finals_is_told_to_connect_again() -> None:
    hub = live_hub()
    slow, other = hub.read(), hub.view(EVERYTHING)
    for n in range(OUTBOX_MESSAGES + 1):
        hub.publish(caption(n, final=True))
        sent(other)
    assert (slow.close_code, len(slow)) == (TRY_AGAIN_LATER, 0)
    assert hub.publish(caption(n + 1)) == 0  # nothing more is put in
    assert (len(slow), len(other)) == (0, 1)
    assert asyncio.run(slow.take()) is None
    assert other.close_code is None


def test_a_caption_is_encoded_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Caption] = []

    def encode(sequence: int, caption: Caption) -> str:
        encoded.append(caption)
        return json.dumps({"text": caption.text})

    monkeypatch.setattr(hub_module, "encode_caption", encode)
    hub = live_hub()
    outboxes = [hub.read() for _ in range(200)]
    hub.publish(caption(0))
    assert len(encoded) == 1
    assert all(texts(sent(outbox)) == ["es0.0"] for outbox in outboxes)


def test_a_viewer_reads_the_languages_that_it_asked_for() -> None:
    hub = live_hub([caption(0, language=language) for language in ("en", "es", "de")])
    outbox = hub.view(ViewRequest("main", frozenset({"en", "de"})))
    assert texts(snapshot(outbox)["captions"]) == ["en0.0", "de0.0"]
    for language in "en", "es", "de":
        hub.publish(caption(1, language=language))
    assert texts(sent(outbox)) == ["en1.0", "de1.0"]


def test_a_snapshot_holds_the_newest_segments_of_each_language() -> None:
    spoken = [caption(n, language=language) for n in range(15) for language in ("en", "es")]
    message = snapshot(live_hub(spoken).view(EVERYTHING))
    assert (message["session"], message["is_live"], message["sequence"]) == ("s-1", True, 30)
    assert (message["source"], message["targets"]) == ("en", ["es"])
    for language in "en", "es":
        held = [c["segment_id"] for c in message["captions"] if c["language"] == language]
        assert held == list(range(15 - SNAPSHOT_SEGMENTS, 15))


def test_an_empty_room_says_that_nobody_publishes() -> None:
    message = snapshot(Hub("hall").view(ViewRequest("hall")))
    assert message == {
        "type": "snapshot",
        "version": 1,
        "room": "hall",
        "session": None,
        "sequence": 0,
        "source": None,
        "targets": [],
        "is_live": False,
        "captions": [],
    }


def test_a_viewer_that_comes_back_reads_exactly_what_it_missed() -> None:
    hub = live_hub([caption(0), caption(1), caption(1, 1), caption(0, 1, final=True)])
    message = snapshot(hub.view(ViewRequest("main", session="s-1", after=1)))
    assert texts(message["captions"]) == ["es1.1", "es0.1"]
    assert snapshot(hub.view(ViewRequest("main", session="s-1", after=4)))["captions"] == []


@pytest.mark.parametrize(("session", "after"), [("s-0", 15), ("s-1", 99)])
def test_who_comes_back_from_elsewhere_reads_the_newest(session: str, after: int) -> None:
    hub = live_hub(caption(n) for n in range(20))
    message = snapshot(hub.view(ViewRequest("main", session=session, after=after)))
    assert len(message["captions"]) == SNAPSHOT_SEGMENTS


def test_who_missed_more_than_is_held_reads_the_newest() -> None:
    hub = live_hub(caption(n) for n in range(HELD_MESSAGES + 50))
    for after, count in (50, HELD_MESSAGES), (49, SNAPSHOT_SEGMENTS):
        message = snapshot(hub.view(ViewRequest("main", session="s-1", after=after)))
        assert len(message["captions"]) == count


def test_the_last_captions_are_there_after_the_end() -> None:
    hub = live_hub([caption(0), caption(0, 1, final=True)])
    hub.end()
    message = snapshot(hub.view(ViewRequest("main", session="s-1", after=1)))
    assert (message["session"], message["is_live"]) == ("s-1", False)
    assert texts(message["captions"]) == ["es0.1"]


def test_viewers_are_told_when_a_session_ends_and_another_begins() -> None:
    hub = live_hub([caption(0)])
    viewer, reader = hub.view(EVERYTHING), hub.read()
    hub.publish(caption(0, 1, final=True))
    hub.end()
    hub.begin("s-2", LiveConfig("en"))
    hub.publish(caption(0))  # the same segment number as that final, which waits
    messages = sent(viewer)
    assert [message["type"] for message in messages] == [
        "snapshot", "caption", "snapshot", "snapshot", "caption"
    ]  # fmt: skip
    assert [m["session"] for m in messages if m["type"] == "snapshot"] == ["s-1", None, "s-2"]
    assert [m["type"] for m in sent(reader)] == ["caption", "caption"]


def test_a_publisher_that_comes_back_reads_the_newest_segments() -> None:
    assert texts(sent(live_hub([caption(0), caption(1)]).read())) == ["es0.0", "es1.0"]


def test_a_closed_hub_lets_go_of_all_after_the_last_message() -> None:
    async def scenario() -> None:
        hub = live_hub()
        outbox = hub.read()
        hub.publish(caption(0, final=True))
        hub.close(1001)
        assert await outbox.take() is not None
        assert await outbox.take() is None
        assert outbox.close_code == 1001

    asyncio.run(scenario())


def test_take_waits_for_a_message() -> None:
    async def scenario() -> None:
        hub = live_hub()
        taking = asyncio.create_task(hub.read().take())
        await asyncio.sleep(0)
        assert not taking.done()
        hub.publish(caption(0))
        message = await taking
        assert message is not None and message.caption == caption(0)

    asyncio.run(scenario())


def test_who_left_is_sent_nothing() -> None:
    hub = live_hub()
    viewer = hub.view(EVERYTHING)
    hub.leave(viewer)
    hub.publish(caption(0))
    assert (len(viewer), hub.viewers) == (1, set())
