"""Two browsers and the bot in a room of Debian's Janus: each is read in another language."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio

from ..pipeline.bots.janus_server import ROOM, running_janus
from .conftest import COMMAND, StartServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
VOICES = {"Ann": ROOT / "samples/harbor.flac", "Ben": ROOT / "samples/soup.mp4"}

Launch = Callable[..., "Browser"]


@pytest.fixture
def page_url() -> Iterator[str]:
    """Where the page of a participant is: a microphone wants an address that is safe."""
    handler = partial(QuietHandler, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/participant.html"
        finally:
            server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def bot(log: Path, *options: str) -> Iterator[None]:
    """`surtitle join` in the meeting, which is interrupted in the end; it has to end well."""
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*COMMAND, "join", *options],
            stdout=output,  # not a pipe: it goes on to say something that nobody reads
            stderr=output,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        try:
            while f"in the room {ROOM}" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0, log.read_text()


def speak(launch: Launch, page_url: str, janus: str, name: str, folder: Path) -> Page:
    """A browser whose microphone hears a recording, in the room."""
    path = folder / f"{name}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for chunk in read_audio(VOICES[name]):
            file.writeframes(to_s16(chunk.samples).tobytes())
    browser = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    )
    page = browser.new_page(viewport={"width": 960, "height": 540})
    page.context.grant_permissions(["microphone"])
    page.goto(page_url)
    page.evaluate("([...entry]) => join(...entry)", [janus, ROOM, name])
    return page


def test_participants_read_each_other_in_another_language(
    launch: Launch,
    start_server: StartServer,
    page_url: str,
    tmp_path: Path,
    screenshots: Path,
) -> None:
    (tmp_path / "janus").mkdir()
    with running_janus(tmp_path / "janus") as janus:
        url = start_server()
        to_room = ["--janus", janus.url, "--room", str(ROOM), "--url", url]
        with bot(tmp_path / "bot.log", *to_room, "--into", "meeting", "--to", "es"):
            reader = launch().new_page(viewport={"width": 1280, "height": 360})
            reader.goto(f"{url}/overlay?room=meeting&lang=es&lines=4&clear=0")
            ann = speak(launch, page_url, janus.url, "Ann", tmp_path)
            speak(launch, page_url, janus.url, "Ben", tmp_path)
            for name in VOICES:
                said = reader.get_by_role("log").get_by_text(f"{name}: ")
                said.first.wait_for(state="attached")
            ann.wait_for_function("hasSeen('Captions')")
            ann.evaluate("room => watch(room, 'Captions')", ROOM)
            ann.wait_for_function("brightRows() > 40")
            ann.screenshot(path=screenshots / "janus-tile.png")
            reader.screenshot(path=screenshots / "janus-overlay.png")
        texts = spanish(url)
    for name in VOICES:
        assert any(len(text.split()) > 2 for text in texts[name]), texts


def spanish(url: str) -> dict[str, list[str]]:
    """What the server has stored of the meeting, by speaker."""
    with urlopen(f"{url}/v1/sessions") as answer:
        session = json.load(answer)["sessions"][0]["id"]
    with urlopen(f"{url}/v1/sessions/{session}/transcript?format=json&lang=es") as answer:
        captions = json.load(answer)["captions"]
    return {
        name: [caption["text"] for caption in captions if caption["speaker"] == name]
        for name in VOICES
    }
