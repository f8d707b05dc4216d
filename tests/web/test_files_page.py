"""The page of recordings in Chromium, against a real server whose recognizer follows a script."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from surtitle.pipeline.server.app import PAGES
from surtitle.pipeline.translators.echo import EchoTranslator

from ..patience import PATIENCE_S
from ..pipeline.server.files.hearing import Hears, serve_files, speech
from ..pipeline.server.scripted import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


class Server:
    """A server in a thread of its own, until `stop`."""

    def __init__(self, folder: Path) -> None:
        self.ear = Hears()
        self._begun, self._loop = threading.Event(), None
        self._thread = threading.Thread(target=self._serve, args=(folder,))
        self._thread.start()
        assert self._begun.wait(PATIENCE_S), "the server has begun"

    def _serve(self, folder: Path) -> None:
        async def scenario(served: Served) -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self.url = served.url
            self._begun.set()
            await self._stop.wait()

        serve_files(scenario, folder, lambda: self.ear, EchoTranslator(), real_pages=PAGES)

    def stop(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Open the page; what the browser complains about fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_page(path: str = "/files", **options: Any) -> Page:
        contexts.append(context := browser.new_context(**options))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(server.url + path)
        page.get_by_role("checkbox", name="Spanish").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def send(page: Page, name: str = "talk.wav", data: bytes | None = None) -> None:
    file = {"name": name, "mimeType": "audio/wav", "buffer": speech(8) if data is None else data}
    page.get_by_label("Audio or video").set_input_files(file)
    page.get_by_role("button", name="Make subtitles").click()


def test_a_recording_is_sent_read_corrected_and_taken_away(
    open_page: Callable[..., Page], screenshots: Path, tmp_path: Path
) -> None:
    page = open_page()
    page.get_by_label("Spoken language").select_option("English")
    page.get_by_role("checkbox", name="Spanish").check()
    send(page)
    page.get_by_role("heading", name="talk.wav, 0:08").wait_for()
    spanish = page.get_by_role("textbox", name="Spanish at 0:00")
    assert page.get_by_role("textbox", name="English at 0:00").input_value() == "Good morning."
    assert spanish.input_value() == "[es] Good morning."
    page.get_by_role("button", name="Play from 0:04").click()
    page.wait_for_function("document.querySelector('video').currentTime > 4")
    assert page.locator("#cues [aria-current]").get_by_text("0:04").is_visible()
    spanish.fill("Buenos días.\n<b>Hola</b>")
    spanish.blur()
    page.locator("#cues textarea.saved").wait_for()
    page.screenshot(path=screenshots / "files.png", full_page=True)
    for name, begins in (("SRT", "1\n"), ("WebVTT", "WEBVTT"), ("ASS", "[Scr"), ("TTML", "<?xml")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        text = download.value.path().read_text()
        assert text.startswith(begins) and "Buenos días." in text
        assert download.value.suggested_filename.startswith("talk.es.")
    page.reload()  # the page opens the same result; the recording is not on the server any more
    page.get_by_role("textbox", name="Spanish at 0:00").wait_for()
    assert spanish.input_value() == "Buenos días.\n<b>Hola</b>"
    assert page.locator("video").is_hidden()
    page.get_by_role("button", name="Delete talk.wav").click()
    page.locator("#result").wait_for(state="hidden")
    page.locator("#jobs").wait_for(state="hidden")


def test_what_goes_wrong_is_told_in_words(open_page: Callable[..., Page]) -> None:
    page = open_page()
    send(page, "notes.wav", b"I am no recording.")
    page.locator("#list").get_by_text("Failed: notes.wav holds text, not audio or video").wait_for()
    page.get_by_role("button", name="Delete notes.wav").click()
    page.locator("#jobs").wait_for(state="hidden")


def test_a_recording_can_be_given_up(open_page: Callable[..., Page], server: Server) -> None:
    server.ear.gate.clear()
    page = open_page()
    send(page)
    page.locator("#list").get_by_text(re.compile("Listening|Putting")).wait_for()
    page.get_by_role("button", name="Give up talk.wav").click()
    server.ear.gate.set()  # to close it waits for its call; a process would be ended
    page.locator("#jobs").wait_for(state="hidden")


def test_all_of_it_can_be_done_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_label("Audio or video").set_input_files(
        {"name": "talk.wav", "mimeType": "audio/wav", "buffer": speech()}
    )
    page.get_by_role("button", name="Make subtitles").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Open talk.wav").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'result-title'")
    reached: list[str] = []
    for _ in range(24):  # the player has some of its own
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
        )
    assert "English at 0:00" in reached and "Play from 0:00" in reached and "TTML" in reached


def test_it_fits_and_has_no_serious_barrier(
    open_page: Callable[..., Page], screenshots: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page()
    page.get_by_role("checkbox", name="Spanish").check()
    send(page)
    page.get_by_role("textbox", name="Spanish at 0:00").wait_for()
    for width, scheme in ((360, "dark"), (768, "light"), (1280, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=screenshots / f"files-{width}-{scheme}.png", full_page=True)
        found = Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
