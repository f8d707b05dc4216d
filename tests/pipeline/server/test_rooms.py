"""Rooms without sockets. What needs time or a connection stands in test_caption_sockets.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.config import LiveConfig, ServerConfig
from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import Caption, Ended, Failed
from surtitle.pipeline.protocols import View
from surtitle.pipeline.server.hub import Outbox
from surtitle.pipeline.server.live_session import LiveSession
from surtitle.pipeline.server.metrics import Metrics
from surtitle.pipeline.server.rooms import Rooms
from surtitle.pipeline.server.storage.store import Store
from surtitle.pipeline.translators.echo import EchoTranslator
from surtitle.pipeline.translators.queue import TranslationQueue

from ...patience import PATIENCE_S
from ..scripted_recognizer import Ears, ScriptedRecognizer, scripted_pool
from .scripted import RATE_HZ, WORD_MS, WORD_PCM, WORDS

CONFIG = LiveConfig("en", ("es",))


def run(scenario: Callable[[Rooms], Awaitable[None]], tmp_path: Path, **changes: Any) -> None:
    async def within(store: Store) -> None:
        translations = TranslationQueue(EchoTranslator())
        config = replace(ServerConfig(), **changes)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            pool = scripted_pool(ScriptedRecognizer(WORDS), Ears(WORD_MS))
            rooms = Rooms(config, pool, translations, store, Metrics(), tasks)
            await scenario(rooms)
            await rooms.aclose()
            await pool.aclose()

    with closing(Store(tmp_path / "sessions.sqlite")) as store:
        asyncio.run(within(store))


def test_a_room_is_free_again_after_its_session(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        first = rooms.start("hall", CONFIG, RATE_HZ)
        with pytest.raises(RefusedError, match="somebody publishes in the room 'hall'"):
            rooms.start("hall", CONFIG, RATE_HZ)
        first.stop()
        first.stop()
        first.push(WORD_PCM)  # too late, and no harm
        with first.attached() as outbox:
            while await outbox.take():
                pass
        assert not rooms.is_live(first.id)
        second = rooms.start("hall", CONFIG, RATE_HZ)
        assert second.id != first.id
        with pytest.raises(RefusedError, match="no session with this key"):
            rooms.resume(first.resume_key)
        assert rooms.resume(second.resume_key) is second

    run(scenario, tmp_path)


def test_a_reader_gets_captions_and_the_end(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        live = rooms.start("hall", CONFIG, RATE_HZ)
        with live.attached() as outbox:
            for _ in range(4):
                live.push(WORD_PCM)
            assert live.received_samples == 4 * len(WORD_PCM) // 2
            live.stop()
            events: list[object] = []
            while published := await outbox.take():
                events.append(published.event)
        *captions, last = events
        finals = [e.text for e in captions if isinstance(e, Caption) and e.is_final]
        assert finals == ["The harbor opens at.", "[es] the harbor opens at"]
        assert last == Ended(live.id)
        assert outbox.close_code == 1000

    run(scenario, tmp_path)


def test_a_refused_language_leaves_no_trace(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        with pytest.raises(RefusedError, match="does not understand 'fr'") as caught:
            rooms.start("hall", LiveConfig("fr"), RATE_HZ)
        assert caught.value.code == "unsupported_language"
        rooms.start("hall", CONFIG, RATE_HZ)

    run(scenario, tmp_path, max_sessions=1)


def test_a_key_that_no_encoding_knows_is_unknown(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        rooms.start("hall", CONFIG, RATE_HZ)
        with pytest.raises(RefusedError, match="no session with this key"):
            rooms.resume("\ud800")

    run(scenario, tmp_path)


def test_a_room_has_places_for_so_many_viewers(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        with rooms.viewed(View("hall")), rooms.viewed(View("yard")):
            with pytest.raises(RefusedError, match="no place"), rooms.viewed(View("hall")):
                pass
        with rooms.viewed(View("hall")):
            pass

    run(scenario, tmp_path, max_room_viewers=1)


def test_nothing_begins_while_the_server_stops(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        await rooms.aclose()
        with pytest.raises(RefusedError, match="is stopping"):
            rooms.start("hall", CONFIG, RATE_HZ)
        with pytest.raises(RefusedError, match="is stopping"), rooms.viewed(View("hall")):
            pass

    run(scenario, tmp_path)


async def ended(outbox: Outbox) -> list[object]:
    """All that a connection is sent until it is closed."""
    events: list[object] = []
    while published := await outbox.take():
        events.append(published.event)
    return events


def say(live: LiveSession, words: int) -> None:
    for _ in range(words):
        live.push(WORD_PCM)
    live.stop()


def test_who_speak_at_once_have_captions_of_their_own(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        ana = rooms.start("hall", CONFIG, RATE_HZ, "Ana")
        ben = rooms.start("hall", CONFIG, RATE_HZ, "Ben")
        assert ana.id == ben.id
        with rooms.viewed(View("hall")) as reader, ana.attached(), ben.attached():
            say(ana, 4)
            say(ben, 2)
            await reader.take()  # the snapshot
            said: dict[tuple[str, str], str] = {}
            while len(said) < 4:
                published = await reader.take()
                assert published is not None
                event = published.event
                if isinstance(event, Caption) and event.is_final:
                    said[event.speaker, event.language] = event.text
        assert said == {
            ("Ana", "en"): "The harbor opens at.",
            ("Ana", "es"): "[es] the harbor opens at",
            ("Ben", "en"): "The harbor.",
            ("Ben", "es"): "[es] the harbor",
        }

    run(scenario, tmp_path)


def test_a_conversation_lasts_until_the_last_has_left(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        ana = rooms.start("hall", CONFIG, RATE_HZ, "Ana")
        ben = rooms.start("hall", CONFIG, RATE_HZ, "Ben")
        with ana.attached() as hers, ben.attached() as his:
            say(ana, 1)
            assert (await ended(hers))[-1] == Ended(ana.id)
            assert rooms.is_live(ana.id) and his.close_code is None
            say(ben, 1)
            assert (await ended(his))[-1] == Ended(ben.id)
        assert not rooms.is_live(ana.id)

    run(scenario, tmp_path)


def test_a_speaker_whose_session_fails_costs_no_other(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        ana = rooms.start("hall", CONFIG, RATE_HZ, "Ana")
        ben = rooms.start("hall", CONFIG, RATE_HZ, "Ben")
        with ana.attached() as hers, ben.attached() as his:
            ana.fail(ValueError("its own"))
            assert isinstance((await ended(hers))[-1], Failed)
            say(ben, 1)
            assert (await ended(his))[-1] == Ended(ben.id)

    run(scenario, tmp_path)


@pytest.mark.parametrize(("first", "second"), [("", "Ben"), ("Ana", "")])
def test_a_publisher_without_a_name_shares_no_room(first: str, second: str, tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        rooms.start("hall", CONFIG, RATE_HZ, first)
        with pytest.raises(RefusedError, match="somebody publishes in the room"):
            rooms.start("hall", CONFIG, RATE_HZ, second)

    run(scenario, tmp_path)


def test_each_speaker_counts_as_a_session(tmp_path: Path) -> None:
    async def scenario(rooms: Rooms) -> None:
        rooms.start("hall", CONFIG, RATE_HZ, "Ana")
        rooms.start("hall", CONFIG, RATE_HZ, "Ben")
        with pytest.raises(RefusedError, match="has 2 sessions"):
            rooms.start("hall", CONFIG, RATE_HZ, "Cleo")

    run(scenario, tmp_path, max_sessions=2)
