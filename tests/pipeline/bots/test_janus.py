"""A bot in a room of Debian's Janus, over a server with a scripted recognizer.

Participants send a tone; every 300 ms of it is a sentence of the script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from surtitle.pipeline.bots import janus, janus_api
from surtitle.pipeline.bots.janus import JanusBot
from surtitle.pipeline.bots.janus_api import JanusRoom
from surtitle.pipeline.client import connection
from surtitle.pipeline.client.connection import Message, Server
from surtitle.pipeline.client.real_time import start_message
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.errors import RemoteError
from surtitle.pipeline.webrtc import peer

from ...patience import PATIENCE_S
from ..scripted_recognizer import ScriptedRecognizer
from ..server.scripted import Served
from ..server.scripted import serve as serve_captions
from .janus_server import (
    PIN,
    PRIVATE_ROOM,
    ROOM,
    JanusServer,
    first_picture,
    participant,
    running_janus,
    text_room,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(janus, "LOOK_S", 0.05)
    monkeypatch.setattr(janus_api, "ANSWER_S", PATIENCE_S)  # for what is slow, and not amiss
    monkeypatch.setattr(peer, "CONNECT_S", PATIENCE_S)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[JanusServer, None, None]:
    with running_janus(tmp_path_factory.mktemp("janus")) as running:
        yield running


class Joined:
    """A bot, and what came of it."""

    def __init__(self, url: str, served: Served, into: str = "main", **changes: Any) -> None:
        self.said: list[str] = []
        self.finals: list[tuple[str, str, str]] = []  # who, language, text
        self.leave = asyncio.Event()
        leave_after_s = changes.pop("leave_after_s", None)
        place = JanusRoom(
            **{"url": url, "room": ROOM, "pin": None, "display": "Captions"} | changes
        )
        start = start_message(into, LiveConfig("en", ("es",)))
        server, say = Server(served.url), self.said.append
        bot = JanusBot(place, server, start, self._hear, say, leave_after_s)
        self.task = asyncio.create_task(bot.run(self.leave.wait))

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            assert not self.task.done(), (self.task, self.said)
            await asyncio.sleep(0.01)

    def has_said(self, part: str) -> bool:
        return any(part in line for line in self.said)

    def hears(self, *names: str) -> bool:
        """Whether each of them has a final in each language."""
        wanted = {(name, language) for name in names for language in ("en", "es")}
        return wanted <= {(name, language) for name, language, _ in self.finals}

    def _hear(self, message: Message) -> None:
        if message["type"] == "caption" and message["is_final"]:
            self.finals.append((message["speaker"], message["language"], message["text"]))


def serve(scenario: Callable[[Served], Awaitable[None]], folder: Path, **changes: Any) -> None:
    """Each word is a sentence, which is final when the next is heard."""
    script = [f"Sentence{number}." for number in range(100)]
    worker = ScriptedRecognizer(script, is_written=True)
    serve_captions(scenario, folder, worker=worker, **changes)


@asynccontextmanager
async def joined(url: str, served: Served, **changes: Any) -> Any:
    """A bot that is in the room, and leaves in the end."""
    bot = Joined(url, served, **changes)
    try:
        await bot.until(lambda: bot.has_said("in the room"))
        yield bot
    finally:
        bot.leave.set()
        await asyncio.wait([bot.task])
    bot.task.result()


def test_each_participant_is_captioned_on_page_tile_and_in_the_text_room(
    gateway: JanusServer, tmp_path: Path
) -> None:
    texts: list[str] = []

    async def scenario(served: Served) -> None:
        async with participant(gateway.url, "Ann") as (session, ann), text_room(session, texts):
            async with joined(gateway.url, served) as bot, participant(gateway.url, "Ben"):
                await bot.until(lambda: bot.hears("Ann", "Ben"))
                (tile,) = [
                    publisher["id"]
                    for event in _events(ann)
                    for publisher in event.data.get("publishers", [])
                    if publisher["display"] == "Captions"
                ]
                picture = await first_picture(session, tile)
                assert picture.shape == (720, 1280, 3)
                assert (picture[-400:].max(axis=(1, 2)) > 200).sum() > 20  # rows with bright text
                while len(texts) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert texts[0] in [f"{name} [es]: [es] Sentence0." for name in ("Ann", "Ben")]

    serve(scenario, tmp_path)


def _events(handle: Any) -> list[Any]:
    return [handle.events.get_nowait() for _ in range(handle.events.qsize())]


def test_who_leaves_is_captioned_to_the_end_and_who_comes_back_is_heard_again(
    gateway: JanusServer, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with joined(gateway.url, served) as bot:
            for _ in range(2):
                known = len(bot.finals)
                async with participant(gateway.url, "Ann"):
                    while not served.rooms._running:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(1)  # some words
                await bot.until(lambda known=known: len(bot.finals) >= known + 2)
                while served.rooms._running:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert {name for name, _, _ in bot.finals} == {"Ann"}

    serve(scenario, tmp_path)


def test_a_gateway_that_restarts_is_joined_again(tmp_path: Path) -> None:
    (tmp_path / "janus").mkdir()

    async def scenario(served: Served) -> None:
        async with joined(gateway.url, served) as bot:
            async with participant(gateway.url, "Ann"):
                await bot.until(lambda: bot.hears("Ann"))
                gateway.kill()
                await bot.until(lambda: bot.has_said("trying again"))
            await asyncio.to_thread(gateway.start)
            await bot.until(lambda: bot.has_said("back in the room"))
            async with participant(gateway.url, "Ben"):
                await bot.until(lambda: bot.hears("Ann", "Ben"))

    with running_janus(tmp_path / "janus") as gateway:
        serve(scenario, tmp_path)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"room": PRIVATE_ROOM}, "Janus refuses: "),
        ({"room": PRIVATE_ROOM, "pin": "0000"}, "Janus refuses: Unauthorized"),
        ({"room": 99}, "Janus refuses: No such room"),
        ({"url": "ws://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_a_room_that_cannot_be_joined_is_told(
    entry: dict[str, Any], what: str, gateway: JanusServer, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        bot = Joined(**{"url": gateway.url, "served": served} | entry)
        with pytest.raises(RemoteError, match=what):
            await bot.task

    serve(scenario, tmp_path)


def test_a_room_with_a_pin_is_joined_with_it(gateway: JanusServer, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with joined(gateway.url, served, room=PRIVATE_ROOM, pin=PIN) as bot:
            async with participant(gateway.url, "Ann", room=PRIVATE_ROOM, pin=PIN):
                await bot.until(lambda: bot.hears("Ann"))

    serve(scenario, tmp_path)


def test_another_bot_is_not_heard_and_told_once(gateway: JanusServer, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with (
            joined(gateway.url, served, into="hall") as one,
            joined(gateway.url, served, into="yard") as other,
            participant(gateway.url, "Ann"),
        ):
            for bot in one, other:
                await bot.until(lambda bot=bot: bot.hears("Ann"))
        for bot in one, other:
            assert {name for name, _, _ in bot.finals} == {"Ann"}
            assert sum("another 'Captions' is in the room" in line for line in bot.said) == 1

    serve(scenario, tmp_path)


def test_who_is_removed_goes(gateway: JanusServer, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        bot = Joined(gateway.url, served)
        async with participant(gateway.url, "Ann") as (_, ann):
            await bot.until(lambda: bot.hears("Ann"))
            there = (await ann.ask("listparticipants", room=ROOM)).data["participants"]
            (number,) = [one["id"] for one in there if one["display"] == "Captions"]
            await ann.ask("kick", room=ROOM, id=number)
            await bot.task
        assert "we were removed from the room" in bot.said[-1]

    serve(scenario, tmp_path)


def test_an_empty_room_is_left(gateway: JanusServer, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with participant(gateway.url, "Ann"):
            bot = Joined(gateway.url, served, leave_after_s=0.3)
            await bot.until(lambda: bot.hears("Ann"))
            assert not bot.task.done()
        await bot.task
        assert bot.said[-1] == "nobody has been heard for 0.3 s"
        assert not served.rooms._running

    serve(scenario, tmp_path)


def test_who_finds_no_place_at_the_server_costs_no_other(
    gateway: JanusServer, tmp_path: Path
) -> None:
    async def scenario(served: Served) -> None:
        async with joined(gateway.url, served) as bot, participant(gateway.url, "Ann"):
            await bot.until(lambda: any(served.rooms._running))
            async with participant(gateway.url, "Ben"):
                await bot.until(lambda: bot.has_said("Ben is not captioned"))
                await bot.until(lambda: bot.hears("Ann"))

    serve(scenario, tmp_path, max_sessions=1)
