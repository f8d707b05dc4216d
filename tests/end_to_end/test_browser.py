"""The whole way: a browser's microphone, the server, and pages that are read."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from ..patience import PATIENCE_S
from .conftest import MakeVoice, StartServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPOKEN_S = 21  # five sentences of the recording
TAB_TITLE = "A talk"

Launch = Callable[..., "Browser"]


class Cable:
    """A TCP connection to a server on loopback that can be cut."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.port = 0

    @contextmanager
    def laid(self) -> Iterator[Cable]:
        is_ready = threading.Event()
        work = threading.Thread(target=self._loop.run_until_complete, args=[self._run(is_ready)])
        work.start()
        try:
            assert is_ready.wait(PATIENCE_S), "the cable cannot be laid"
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            work.join()
            self._loop.close()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _run(self, is_ready: threading.Event) -> None:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await self._stop.wait()
        server.close()
        self._cut()
        await asyncio.sleep(0.1)  # for the connections to notice

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def _finals(page: Page) -> list[str]:
    return page.locator("#log p").all_text_contents()


def _get(url: str) -> Any:
    with urlopen(url, timeout=PATIENCE_S) as response:
        return json.load(response)


def test_speech_is_read_in_three_languages_though_connections_break(
    launch: Launch, start_server: StartServer, make_voice: MakeVoice, screenshots: Path
) -> None:
    browser = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={make_voice(SPOKEN_S)}%noloop",
    )
    direct = start_server()
    port = urlsplit(direct).port
    assert port is not None
    with Cable(port).laid() as cable:
        base = f"http://127.0.0.1:{cable.port}"
        speaker = browser.new_page()
        pages = {language: browser.new_page() for language in ("en", "es", "de")}
        for language, page in pages.items():
            page.goto(f"{base}/overlay?lang={language}")
        english = pages["en"]
        speaker.goto(f"{base}/capture")
        speaker.get_by_label("Spanish").check()
        speaker.get_by_label("German").check()
        speaker.get_by_role("button", name="Start").click()
        live = speaker.get_by_text("Live", exact=True)
        live.wait_for()

        english.locator("#log p").first.wait_for(state="attached")
        cable.cut()
        live.wait_for()  # resumed
        market = english.locator("#log p").filter(has_text="market")
        market.wait_for(state="attached")
        speaker.screenshot(path=screenshots / "end-to-end-speaker.png", full_page=True)
        for language, page in pages.items():
            page.screenshot(path=screenshots / f"end-to-end-{language}.png")
        speaker.get_by_role("button", name="Stop").click()
        speaker.get_by_text("Stopped", exact=True).wait_for()

        (session,) = _get(f"{direct}/v1/sessions")["sessions"]
        for language, page in pages.items():
            kept = _get(
                f"{direct}/v1/sessions/{session['id']}/transcript?format=json&lang={language}"
            )
            wanted = [caption["text"] for caption in kept["captions"]]
            assert len(wanted) >= 4, wanted
            page.wait_for_function(
                "count => document.querySelectorAll('#log p').length >= count",
                arg=len(wanted),
            )
            assert _finals(page) == wanted
        assert len({tuple(_finals(page)) for page in pages.values()}) == len(pages)
        heard = set(" ".join(_finals(english)).lower().replace(".", "").replace(",", "").split())
        said = (ROOT / "samples/harbor.en.txt").read_text(encoding="utf-8").splitlines()[:4]
        words = set(" ".join(said).lower().replace(".", "").replace(",", "").split())
        assert len(words & heard) > 0.8 * len(words), heard


def test_the_sound_of_a_browser_tab_is_captioned(
    launch: Launch,
    start_server: StartServer,
    make_voice: MakeVoice,
    tmp_path: Path,
    screenshots: Path,
) -> None:
    voice = make_voice(SPOKEN_S / 3)
    player = tmp_path / "talk.html"
    player.write_text(f"<title>{TAB_TITLE}</title><audio src={voice.name} controls></audio>")
    context = launch(f"--auto-select-tab-capture-source-by-title={TAB_TITLE}").new_context()
    talk, speaker = context.new_page(), context.new_page()
    talk.goto(player.as_uri())
    speaker.goto(f"{start_server('--translator', 'echo')}/capture")
    speaker.get_by_text("Spanish").wait_for()
    speaker.get_by_label("A browser tab").check()
    speaker.get_by_role("button", name="Start").click()
    speaker.get_by_text("Live", exact=True).wait_for()
    talk.locator("audio").evaluate("player => player.play()")
    harbor = speaker.locator("#log p").filter(has_text="welcome to the old harbo")
    harbor.wait_for(state="attached")
    speaker.screenshot(path=screenshots / "end-to-end-tab.png", full_page=True)
    talk.close()
    speaker.get_by_text("The sound has ended").wait_for()
    speaker.get_by_text("Stopped", exact=True).wait_for()
