"""Captions in a terminal: finals scroll by, drafts stand below them and change.

Where the output is a file or a pipe: finals only, one per line.
"""

from __future__ import annotations

import asyncio
import os
import sys
import unicodedata
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..client import parse_caption
from ..events import Caption
from .stopping import Stop, run_until_wanted

MakeWork = Callable[[Stop], Coroutine[Any, Any, None]]

_NO_TEXT = frozenset({"Cc", "Zl", "Zp"})


class CaptionLines:
    """What has been shown of a session: each final once, and the newest draft of what is open.

    Bounded by the segments that are open.
    """

    def __init__(self) -> None:
        self._drafts: dict[tuple[int, str], Caption] = {}
        self._finals: dict[str, int] = {}  # the newest segment of each language

    def push(self, caption: Caption) -> bool:
        """Take a caption; return whether it is a final that was not seen before."""
        key = caption.segment_id, caption.language
        if caption.segment_id <= self._finals.get(caption.language, -1):
            return False
        if not caption.is_final:
            draft = self._drafts.get(key)
            if draft is None or draft.revision <= caption.revision:
                self._drafts[key] = caption
            return False
        self._finals[caption.language] = caption.segment_id
        for older in [k for k in self._drafts if k[1] == key[1] and k[0] <= key[0]]:
            del self._drafts[older]
        return True

    @property
    def drafts(self) -> list[Caption]:
        return [self._drafts[key] for key in sorted(self._drafts)]


class TerminalView:
    """A context manager; all other methods print within it."""

    def __init__(self, console: Console, *, names_languages: bool) -> None:
        self._console = console
        self._names_languages = names_languages
        self._lines = CaptionLines()
        self._session: str | None = None
        self._status = ""
        # Drawn at each change: a thread of its own that redraws would share our console.
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> TerminalView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live.is_started:
            self._live.update(Text(), refresh=True)
            self._live.stop()

    def hear(self, message: dict[str, Any]) -> None:
        """Show a message of the caption protocol. Raises RemoteError for a broken caption."""
        match message["type"]:
            case "caption":
                self.show(parse_caption(message))
            case "started":
                if self._begin(message.get("session")):  # else it is resumed
                    self.show_status("")
                    for notice in message.get("notices", ()):
                        self.say(str(notice))
            case "snapshot":
                self._begin(message.get("session"))
                captions = [parse_caption(caption) for caption in message.get("captions", ())]
                for caption in sorted(captions, key=lambda c: (c.segment_id, c.language)):
                    self.show(caption)
            case "status":
                lag_ms = message.get("lag_ms")
                self.show_status(f"{lag_ms / 1000:.1f} s behind" if isinstance(lag_ms, int) else "")
            case _:
                pass

    def show(self, caption: Caption) -> None:
        if self._lines.push(caption):
            self._print(caption)
        self._draw()

    def show_status(self, text: str) -> None:
        """What stands below the captions, in a terminal, until it is replaced."""
        self._status = text
        self._draw()

    def say(self, line: str) -> None:
        """A notice that is no caption."""
        if self._live.is_started:
            self._console.print(Text(printable(line), style="yellow"))
        else:
            print(f"surtitle: {printable(line)}", file=sys.stderr)

    def _begin(self, session: object) -> bool:
        """Forget what another session has said; return whether this one is new."""
        if not isinstance(session, str) or session == self._session:
            return False
        self._session, self._lines = session, CaptionLines()
        return True

    def _print(self, caption: Caption) -> None:
        if self._live.is_started:
            self._console.print(self._line(caption))
        else:
            language = f"{caption.language}: " if self._names_languages else ""
            print(printable(language + caption.text), flush=True)

    def _draw(self) -> None:
        if not self._live.is_started:
            return
        drafts = [self._line(caption, style="italic dim") for caption in self._lines.drafts]
        self._live.update(Group(*drafts, Text(self._status, style="dim")), refresh=True)

    def _line(self, caption: Caption, *, style: str = "") -> Text:
        minutes, seconds = divmod(caption.start_ms // 1000, 60)
        head = f"{minutes:02}:{seconds:02} "
        if self._names_languages:
            head += f"{printable(caption.language)} "
        return Text.assemble((head, "dim"), (printable(caption.text), style))


def run_until_stopped(make_work: MakeWork, grace_s: float = 0.0) -> int:
    """Run what shows captions; return the exit status. SIGINT and SIGTERM are the way to end it:
    the work then has `grace_s` to come to its end."""
    try:
        with Stop() as stop:
            asyncio.run(run_until_wanted(stop, make_work(stop), grace_s))
    except BrokenPipeError:  # who read our output has gone; the interpreter flushes it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def printable(text: str) -> str:
    """On one line and without control characters: text from afar must not steer a terminal."""
    return "".join(" " if unicodedata.category(char) in _NO_TEXT else char for char in text)
