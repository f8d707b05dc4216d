"""Make the pictures of the README from the real pages: `python samples/pictures.py`.

Starts a server, speaks the samples into it, and looks at it with Debian's Chromium.
"""

from __future__ import annotations

import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pyvips
from playwright.sync_api import Browser, sync_playwright

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio

HERE = Path(__file__).parent
PICTURES = HERE.parent / "docs/pictures"
SURTITLE = [sys.executable, "-m", "surtitle.pipeline.cli"]
PORT = 8790
URL = f"http://127.0.0.1:{PORT}"
SIZE = {"width": 1280, "height": 720}
WORDS = 24  # of an overlay that is full enough to be shown
SPEAK = """async () => {
  const pc = new RTCPeerConnection();
  const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
  pc.addTrack(sound.getAudioTracks()[0], sound);
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.createDataChannel("surtitle.v1");
  const video = document.createElement("video");
  video.style = "position: fixed; inset: 0; width: 1280px; height: 720px; z-index: 9";
  document.body.append(video);
  pc.ontrack = ({ track }) => { video.srcObject = new MediaStream([track]); video.play(); };
  await pc.setLocalDescription();
  const said = { room: "meeting", source: "en", targets: ["es"], speaker: "Ana" };
  const start = { type: "start", version: 1, ...said };
  const response = await fetch("/v1/offer", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...pc.localDescription.toJSON(), start, lang: "es", dual: "en" }),
  });
  await pc.setRemoteDescription(await response.json());
}"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, server(Path(folder)), sync_playwright() as playwright:

        def launch(*flags: str) -> Browser:
            return playwright.chromium.launch(
                executable_path="/usr/bin/chromium", chromium_sandbox=False, args=list(flags)
            )

        overlay_over_a_video(launch())
        files_page(launch())
        sound = Path(folder) / "harbor.wav"
        write_wav(HERE / "harbor.flac", sound)
        tile(
            launch(
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
                f"--use-file-for-fake-audio-capture={sound}%noloop",
            )
        )


@contextmanager
def server(folder: Path) -> Iterator[None]:
    command = [*SURTITLE, "serve", "--port", str(PORT)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.startswith("Speak:") for line in process.stdout), "it has ended"
            yield
        finally:
            process.terminate()


def overlay_over_a_video(browser: Browser) -> None:
    """As OBS shows it: the transparent page over the picture that belongs to its words."""
    film = HERE / "soup.mp4"
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{URL}/overlay?lang=es&dual=en")
    publish = [*SURTITLE, "publish", str(film), "--to", "es", "--url", URL]
    with subprocess.Popen(publish, stdout=subprocess.DEVNULL) as publisher:
        while len(page.inner_text("body").split()) < WORDS and publisher.poll() is None:
            time.sleep(0.2)
        shown = page.screenshot(omit_background=True)
        publisher.terminate()
    with av.open(str(film)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    film_picture = pyvips.Image.new_from_array(picture, interpretation="srgb")
    save(film_picture.composite2(pyvips.Image.new_from_buffer(shown, ""), "over"), "overlay")


def files_page(browser: Browser) -> None:
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{URL}/files")
    page.get_by_label("Spoken language").select_option("English")
    page.get_by_role("checkbox", name="Spanish").check()
    page.get_by_label("Audio or video").set_input_files(HERE / "soup.mp4")
    page.get_by_role("button", name="Make subtitles").click()
    cue = page.get_by_role("textbox", name="Spanish at 0:00").first
    cue.wait_for(timeout=180_000)
    page.get_by_role("button", name="Play from 0:04").click()
    page.wait_for_timeout(1500)  # the player shows its picture
    page.locator("#result").evaluate("section => section.scrollIntoView()")
    save(pyvips.Image.new_from_buffer(page.screenshot(), ""), "files")


def tile(browser: Browser) -> None:
    """What the others in a meeting see of the bot, here by a call of our own."""
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{URL}/capture")
    page.evaluate(SPEAK)
    time.sleep(20)  # four sentences
    save(pyvips.Image.new_from_buffer(page.screenshot(), ""), "tile")


def write_wav(recording: Path, path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for chunk in read_audio(recording):
            file.writeframes(to_s16(chunk.samples).tobytes())


def save(image: pyvips.Image, name: str) -> None:
    path = PICTURES / f"{name}.png"
    flat = image.flatten() if image.hasalpha() else image
    flat.pngsave(str(path), compression=9, keep="none")
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
