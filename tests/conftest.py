"""A browser for the tests of the pages, and the interpreter for those of the kernels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Before anything imports Triton: without a card its kernels run in the interpreter.
os.environ.setdefault("TRITON_INTERPRET", "0" if Path("/dev/nvidiactl").exists() else "1")

Launch = Callable[..., "Browser"]
PATIENCE_MS = 1000 * PATIENCE_S
SCREENSHOTS = Path(__file__).parents[1] / "out/screenshots"
QUIET = (
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(
    scope="module"
)  # playwright keeps an event loop running, which others could not have
def launch() -> Iterator[Launch]:
    """Start Debian's Chromium with more flags, as often as wanted; all waits have PATIENCE_MS."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="pip install --editable '.[dev]'")

    with ExitStack() as stack:
        playwright = stack.enter_context(api.sync_playwright())

        def launch_once(flags: tuple[str, ...], *, sandbox: bool) -> Browser:
            return playwright.chromium.launch(
                executable_path=chromium,
                chromium_sandbox=sandbox,
                args=[*QUIET, *flags],
                timeout=PATIENCE_MS,
                ignore_default_args=["--mute-audio"],  # or the sound of a tab would be silence
            )

        def start(*flags: str) -> Browser:
            try:  # root cannot have a sandbox
                browser = launch_once(flags, sandbox=os.getuid() != 0)
            except api.Error:  # nor can anybody in many containers; the pages are ours
                try:
                    browser = launch_once(flags, sandbox=False)
                except api.Error as error:
                    pytest.skip(f"chromium does not start here: {error.message.splitlines()[0]}")
            browser.on("context", lambda context: context.set_default_timeout(PATIENCE_MS))
            stack.callback(browser.close)
            return browser

        yield start


@pytest.fixture
def screenshots() -> Path:
    """Where pictures of the pages go, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
