"""How far a training is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

LINE_SECONDS = 30  # between lines, and between changes of the bar's text


class Display:
    """`update` as often as you like."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._stage, self._budget_s, self._told = "", 0.0, 0.0

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, budget_s: float) -> Generator[None]:
        """A stage that takes about `budget_s`."""
        self._stage, self._budget_s, self._told = name, budget_s, -LINE_SECONDS
        if not self._console.is_terminal:
            yield
            return
        text = "{task.description}", "{task.fields[clock]}", "{task.fields[note]}"
        columns = TextColumn(text[0]), BarColumn(), TextColumn(text[1]), TextColumn(text[2])
        with Progress(*columns, console=self._console, transient=True) as self._bar:
            self._task = self._bar.add_task(name, total=budget_s, clock="", note="")
            yield
        self._bar = None

    def update(self, seconds: float, note: str, *, is_news: bool = False) -> None:
        """News become a line at once, the rest one every LINE_SECONDS."""
        clock = f"{_clock(seconds)} of {_clock(self._budget_s)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=seconds, clock=clock, note=note)
        elif is_news or time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            self.say(f"{self._stage}, {clock}: {note}")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
