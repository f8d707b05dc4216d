"""Captions in a terminal: finals scroll by, drafts stand below them and change.

Where the output is a file or a pipe: finals only, one per line.
"""

from __future__ import annotations

import asyncio
import os
import sys
import unicodedata
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..captions.order import CaptionOrder
from ..client.connection import parse_caption, parse_captions
from ..events import Caption
from .stopping import Stop, run_until_wanted

MakeWork = Callable[[Stop], Coroutine[Any, Any, None]]

MOST_BELOW = 64
MOST_LAG_MS = 86_400_000
_NO_TEXT = frozenset({"Cc", "Zl", "Zp"})


class CaptionLines:
    """What has been shown of a session: its finals in order, and what stands below them.

    Below stand the newest drafts, and finals that wait for an earlier one; MOST_BELOW at most,
    where further drafts are left out.
    """

    def __init__(self, captions: Iterable[Caption] = ()) -> None:
        """`captions` are what there is of the session, for who comes in the middle of it."""
        self._order = CaptionOrder()
        self._below: dict[tuple[str, int], Caption] = {}
        self._newest_final: dict[str, int] = {}  # the highest segment shown, by language
        self._order.begin(captions)

    def push(self, caption: Caption) -> list[Caption]:
        """Take a caption; return the finals that are to be shown now."""
        self._place_below(caption)
        return self._finals(self._order.push(caption))

    def flush(self) -> list[Caption]:
        """The session is over: return the finals that still waited for another."""
        finals = self._finals(self._order.flush())
        self._below.clear()
        return finals

    @property
    def below(self) -> list[Caption]:
        return sorted(self._below.values(), key=lambda one: (one.segment_id, one.language))

    def _place_below(self, caption: Caption) -> None:
        key = caption.language, caption.segment_id
        older = self._below.get(key)
        if caption.segment_id <= self._newest_final.get(caption.language, -1):
            return
        if older is None:
            has_room = caption.is_final or len(self._below) < MOST_BELOW
        else:
            is_newer = caption.revision >= older.revision
            has_room = not older.is_final and (caption.is_final or is_newer)
        if has_room:
            self._below[key] = caption

    def _finals(self, captions: list[Caption]) -> list[Caption]:
        finals = [caption for caption in captions if caption.is_final]
        for final in finals:
            newest = self._newest_final.get(final.language, -1)
            newest = self._newest_final[final.language] = max(newest, final.segment_id)
            shown = [k for k in self._below if k[0] == final.language and k[1] <= newest]
            for key in shown:
                del self._below[key]
        return finals


class TerminalView:
    """A context manager; all other methods print within it."""

    def __init__(self, console: Console, *, names_languages: bool) -> None:
        self._console = console
        self._names_languages = names_languages
        self._lines = CaptionLines()
        self._session: str | None = None
        self._status = ""
        self._notice = ""
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
        try:
            self._end()
        except BrokenPipeError:
            _mute(sys.stdout)
        if self._live.is_started:
            self._live.update(Text(), refresh=True)
            self._live.stop()

    def hear(self, message: dict[str, Any]) -> None:
        """Show a message of the caption protocol. Raises RemoteError for a broken caption."""
        match message["type"]:
            case "caption":
                self.show(parse_caption(message))
            case "started":
                if self._begin(message.get("session"), []):  # else it is resumed
                    self.show_status("")
                    notices = message.get("notices")
                    for notice in cast(
                        "list[object]", notices if isinstance(notices, list) else []
                    ):
                        self.say(str(notice))
            case "snapshot":
                captions = parse_captions(message)
                self._begin(message.get("session"), captions)
                for caption in sorted(captions, key=lambda c: (c.segment_id, c.language)):
                    self.show(caption)
            case "status":
                lag_ms = message.get("lag_ms")
                if not isinstance(lag_ms, int) or not 0 <= lag_ms < MOST_LAG_MS:
                    lag_ms = None
                self.show_status("" if lag_ms is None else f"{lag_ms / 1000:.1f} s behind")
                self._show_notice(message.get("notice"))
            case "stopped":
                self._end()
            case _:
                pass

    def show(self, caption: Caption) -> None:
        """In a terminal drafts and what waits stand below; finals leave in their order."""
        for final in self._lines.push(caption):
            self._print(final)
        self._draw()

    def show_status(self, text: str) -> None:
        """What stands below the captions, in a terminal, until it is replaced."""
        self._status = text
        self._draw()

    def say(self, line: str) -> None:
        """A notice that is no caption. Where nobody reads it any more, all goes on without."""
        if self._live.is_started:
            self._console.print(Text(printable(line), style="yellow"))
            return
        try:
            print(f"surtitle: {printable(line)}", file=sys.stderr)
        except BrokenPipeError:
            _mute(sys.stderr)

    def _begin(self, session: object, captions: list[Caption]) -> bool:
        """Forget what another session has said; return whether this one is new."""
        if session is None:
            self._end()
        if not isinstance(session, str) or session == self._session:
            return False
        self._end()
        self._session, self._lines = session, CaptionLines(captions)
        return True

    def _end(self) -> None:
        """Nothing that is missing comes any more: show what waited for it."""
        for final in self._lines.flush():
            self._print(final)
        self._draw()

    def _show_notice(self, notice: object) -> None:
        """What is wrong at the server, once each time that it changes."""
        text = notice if isinstance(notice, str) else ""
        if text and text != self._notice:
            self.say(text)
        self._notice = text

    def _print(self, caption: Caption) -> None:
        if not caption.text:  # taken back altogether
            return
        if self._live.is_started:
            self._console.print(self._line(caption))
        else:
            language = f"{caption.language}: " if self._names_languages else ""
            print(printable(language + _said(caption)), flush=True)

    def _draw(self) -> None:
        if not self._live.is_started:
            return
        below = [self._line(caption, style="italic dim") for caption in self._lines.below]
        self._live.update(Group(*below, Text(self._status, style="dim")), refresh=True)

    def _line(self, caption: Caption, *, style: str = "") -> Text:
        minutes, seconds = divmod(caption.start_ms // 1000, 60)
        head = f"{minutes:02}:{seconds:02} "
        if self._names_languages:
            head += f"{printable(caption.language)} "
        return Text.assemble((head, "dim"), (printable(_said(caption)), style))


def _said(caption: Caption) -> str:
    """With the name of who says it, where several speak."""
    return f"{caption.speaker}: {caption.text}" if caption.speaker else caption.text


def run_until_stopped(view: TerminalView, make_work: MakeWork, grace_s: float = 0.0) -> int:
    """Run what shows captions; return the exit status. SIGINT and SIGTERM are the way to end it:
    the work then has `grace_s` to come to its end, which the view tells. It ends as well when
    nobody reads the captions any more."""
    try:
        with Stop() as stop:
            asyncio.run(run_until_wanted(stop, make_work(stop), grace_s, view.say))
    except BrokenPipeError:
        _mute(sys.stdout)
    return 0


def _mute(stream: TextIO) -> None:
    """Who read it has gone: what comes, and what the interpreter flushes last, goes nowhere."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def printable(text: str) -> str:
    """On one line and without control characters: text from afar must not steer a terminal."""
    return "".join(" " if unicodedata.category(char) in _NO_TEXT else char for char in text)
