from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.events import Caption, Ended, Failed, SessionEvent, Status
from surtitle.pipeline.protocols import Published, Snapshot, View
from surtitle.pipeline.server.hub import (
    HELD_CAPTIONS,
    OUTBOX_EVENTS,
    SNAPSHOT_SEGMENTS,
    TRY_AGAIN_LATER,
    Hub,
    Outbox,
)
from surtitle.pipeline.server.metrics import Metrics

EVERYTHING = View("main")
SESSION = "s-1"


def caption(
    segment_id: int, revision: int = 0, language: str = "es", *, final: bool = False
) -> Caption:
    text = f"{language}{segment_id}.{revision}"
    return Caption(segment_id, revision, language, text, segment_id * 1000, 0, final)


def live_hub(captions: Iterable[Caption] = (), session_id: str = SESSION) -> Hub:
    hub = Hub("main", Metrics())
    hub.begin(session_id, LiveConfig("en", ("es",)))
    for each in captions:
        hub.publish(session_id, each)
    return hub


def sent(outbox: Outbox) -> list[Published]:
    """All that waits."""
    return [take(outbox) for _ in range(len(outbox))]


def take(outbox: Outbox) -> Published:
    try:
        outbox.take().send(None)
    except StopIteration as stop:  # it had not to wait
        return stop.value
    raise AssertionError("nothing waits")


def texts(events: Iterable[Published]) -> list[str]:
    return [event.text for each in events if isinstance(event := each.event, Caption)]


def kinds(events: Iterable[Published]) -> list[str]:
    return [type(each.event).__name__ for each in events]


def snapshot(outbox: Outbox) -> Snapshot:
    (published,) = sent(outbox)
    assert isinstance(published.event, Snapshot)
    return published.event


def test_a_newer_draft_replaces_the_waiting_one() -> None:
    metrics = Metrics()
    hub = Hub("main", metrics)
    hub.begin(SESSION, LiveConfig("en", ("es",)))
    outbox = hub.read()
    for revision in range(3):
        hub.publish(SESSION, caption(0, revision))
    assert texts(sent(outbox)) == ["es0.2"]
    counted = metrics.text().decode()
    assert "surtitle_captions_total 3.0" in counted
    assert "surtitle_unsent_drafts_total 2.0" in counted


def test_a_final_replaces_the_drafts_before_it() -> None:
    hub = live_hub()
    outbox = hub.read()
    hub.publish(SESSION, caption(0, 1))
    hub.publish(SESSION, caption(0, 2, "en"))
    hub.publish(SESSION, caption(0, 2, final=True))
    assert texts(sent(outbox)) == ["en0.2", "es0.2"]


def test_the_sequence_grows_from_message_to_message() -> None:
    hub = live_hub()
    outbox = hub.read()
    for revision in range(4):
        for language in "en", "es":
            hub.publish(SESSION, caption(0, revision, language))
    assert [published.sequence for published in sent(outbox)] == [7, 8]


def test_a_full_outbox_drops_drafts_and_keeps_finals() -> None:
    hub = live_hub()
    outbox = hub.read()
    for n in range(2 * OUTBOX_EVENTS):
        hub.publish(SESSION, caption(n, final=n % 3 == 0))
    assert len(outbox) == OUTBOX_EVENTS
    kept = texts(sent(outbox))
    finals = [caption(n).text for n in range(0, 2 * OUTBOX_EVENTS, 3)]
    assert [text for text in kept if text in finals] == finals
    assert kept[-1] == f"es{2 * OUTBOX_EVENTS - 1}.0"  # of the drafts, the oldest go


def test_a_viewer_too_slow_for_finals_is_told_to_connect_again() -> None:
    hub = live_hub()
    slow, other = hub.read(), hub.view(EVERYTHING)
    for n in range(OUTBOX_EVENTS + 1):
        hub.publish(SESSION, caption(n, final=True))
        sent(other)
    assert (slow.close_code, len(slow)) == (TRY_AGAIN_LATER, 0)
    hub.publish(SESSION, caption(n + 1))  # nothing more is put in
    assert (len(slow), len(other)) == (0, 1)
    assert asyncio.run(slow.take()) is None
    assert other.close_code is None


def test_all_readers_share_what_a_caption_is_encoded_to() -> None:
    encoded: list[int] = []

    def encode(published: Published) -> str:
        encoded.append(published.sequence)
        return "text"

    hub = live_hub()
    outboxes = [hub.read() for _ in range(200)]
    hub.publish(SESSION, caption(0))
    assert [take(outbox).encoded(encode) for outbox in outboxes] == ["text"] * 200
    assert encoded == [1]


def test_a_viewer_reads_the_languages_that_it_asked_for() -> None:
    hub = live_hub([caption(0, language=language) for language in ("en", "es", "de")])
    outbox = hub.view(View("main", frozenset({"en", "de"})))
    assert texts(snapshot(outbox).captions) == ["en0.0", "de0.0"]
    for language in "en", "es", "de":
        hub.publish(SESSION, caption(1, language=language))
    assert texts(sent(outbox)) == ["en1.0", "de1.0"]


def test_a_snapshot_holds_the_newest_segments_of_each_language() -> None:
    spoken = [caption(n, language=language) for n in range(15) for language in ("en", "es")]
    (published,) = sent(live_hub(spoken).view(EVERYTHING))
    held = published.event
    assert isinstance(held, Snapshot) and published.sequence == 30
    assert (held.session_id, held.is_live) == (SESSION, True)
    assert held.config == LiveConfig("en", ("es",))
    for language in "en", "es":
        numbers = [
            event.segment_id
            for each in held.captions
            if isinstance(event := each.event, Caption) and event.language == language
        ]
        assert numbers == list(range(15 - SNAPSHOT_SEGMENTS, 15))


def test_an_empty_room_says_that_nobody_publishes() -> None:
    assert snapshot(Hub("hall", Metrics()).view(View("hall"))) == Snapshot(
        "hall", None, None, (), False
    )


def test_a_viewer_that_comes_back_reads_exactly_what_it_missed() -> None:
    hub = live_hub([caption(0), caption(1), caption(1, 1), caption(0, 1, final=True)])
    missed = snapshot(hub.view(View("main", session="s-1", after=1))).captions
    assert texts(missed) == ["es1.1", "es0.1"]
    assert snapshot(hub.view(View("main", session="s-1", after=4))).captions == ()


@pytest.mark.parametrize(("session", "after"), [("s-0", 15), ("s-1", 99)])
def test_who_comes_back_from_elsewhere_reads_the_newest(session: str, after: int) -> None:
    hub = live_hub(caption(n) for n in range(20))
    held = snapshot(hub.view(View("main", session=session, after=after)))
    assert len(held.captions) == SNAPSHOT_SEGMENTS


def test_who_missed_more_than_is_held_reads_the_newest() -> None:
    hub = live_hub(caption(n) for n in range(HELD_CAPTIONS + 50))
    for after, count in (50, HELD_CAPTIONS), (49, SNAPSHOT_SEGMENTS):
        held = snapshot(hub.view(View("main", session="s-1", after=after)))
        assert len(held.captions) == count


def test_the_last_captions_are_there_after_the_end() -> None:
    hub = live_hub([caption(0), caption(0, 1, final=True)])
    hub.publish(SESSION, Ended(SESSION))
    held = snapshot(hub.view(View("main", session="s-1", after=1)))
    assert (held.session_id, held.is_live) == ("s-1", False)
    assert texts(held.captions) == ["es0.1"]


def test_viewers_are_told_when_a_session_ends_and_another_begins() -> None:
    hub = live_hub([caption(0)])
    viewer, reader = hub.view(EVERYTHING), hub.read()
    hub.publish(SESSION, caption(0, 1, final=True))
    hub.publish(SESSION, Ended(SESSION))
    hub.begin("s-2", LiveConfig("en"))
    hub.publish("s-2", caption(0))  # the same segment number as that final, which waits
    events = sent(viewer)
    assert kinds(events) == ["Snapshot", "Caption", "Ended", "Snapshot", "Snapshot", "Caption"]
    sessions = [each.event.session_id for each in events if isinstance(each.event, Snapshot)]
    assert sessions == ["s-1", None, "s-2"]
    assert kinds(sent(reader)) == ["Caption", "Ended", "Caption"]


@pytest.mark.parametrize("end", [Ended(SESSION), Failed(SESSION, "internal", "it has died")])
@pytest.mark.parametrize(
    "late", [caption(0, 1, final=True), Status(0, 0, 0, 0, 0), Ended(SESSION), Failed("", "", "")]
)
def test_after_its_end_nothing_more_of_a_session_comes(
    end: SessionEvent, late: SessionEvent
) -> None:
    hub = live_hub([caption(0)])
    reader = hub.read()
    hub.publish(SESSION, end)
    assert kinds(sent(reader)) == ["Caption", type(end).__name__]
    hub.publish(SESSION, late)
    hub.begin("s-2", LiveConfig("en"))
    hub.publish(SESSION, late)
    assert len(reader) == 0


def test_a_final_is_not_changed_any_more() -> None:
    hub = live_hub([caption(0, 1, final=True)])
    reader = hub.read()
    hub.publish(SESSION, caption(0, 2))
    hub.publish(SESSION, caption(0, 2, final=True))
    hub.publish(SESSION, caption(0, 2, "en"))
    assert texts(sent(reader)) == ["es0.1", "en0.2"]


def test_a_newer_status_takes_the_place_of_the_one_that_waits() -> None:
    hub = live_hub()
    reader = hub.read()
    newest = Status(1, 2, 3, 4, 5)
    hub.publish(SESSION, Status(0, 0, 0, 0, 0))
    hub.publish(SESSION, newest)
    assert [published.event for published in sent(reader)] == [newest]


def test_a_publisher_that_comes_back_reads_the_newest_segments() -> None:
    assert texts(sent(live_hub([caption(0), caption(1)]).read())) == ["es0.0", "es1.0"]


def test_a_closed_hub_lets_go_of_all_after_the_last_message() -> None:
    async def scenario() -> None:
        hub = live_hub()
        outbox = hub.read()
        hub.publish(SESSION, caption(0, final=True))
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
        hub.publish(SESSION, caption(0))
        published = await taking
        assert published is not None and published.event == caption(0)

    asyncio.run(scenario())


def test_who_left_is_sent_nothing() -> None:
    hub = live_hub()
    viewer = hub.view(EVERYTHING)
    hub.leave(viewer)
    hub.publish(SESSION, caption(0))
    assert (len(viewer), hub.viewers) == (1, set())


def test_what_can_be_delivered_at_once_does_not_wait() -> None:
    async def scenario() -> None:
        hub = live_hub()
        outbox, delivered = hub.read(), list[Published]()
        takes_now = True

        def deliver(published: Published) -> bool:
            if takes_now:
                delivered.append(published)
            return takes_now

        outbox.deliver = deliver
        hub.publish(SESSION, caption(0))  # who takes has not begun: what came before goes first
        assert (len(outbox), delivered) == (1, [])
        assert (await outbox.take() or pytest.fail()).event == caption(0)
        taking = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        hub.publish(SESSION, caption(1))
        assert (len(outbox), texts(delivered)) == (0, ["es1.0"])
        takes_now = False
        hub.publish(SESSION, caption(2))
        takes_now = True
        hub.publish(SESSION, caption(3))  # behind the one that waits
        assert (len(outbox), texts(delivered)) == (2, ["es1.0"])
        assert (await taking or pytest.fail()).event == caption(2)

    asyncio.run(scenario())
