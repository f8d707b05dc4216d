from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.bench.cost import Cost, Counters, cost_between
from surtitle.pipeline.bench.load import Plan, Step, largest, ramp, run_step
from surtitle.pipeline.bench.load_report import HEAD, cells, found, html, json_line
from surtitle.pipeline.client.connection import Server
from surtitle.pipeline.config import LiveConfig
from surtitle.pipeline.events import Word
from surtitle.pipeline.recognizers.recorded import RecordedSpeech

from ..server.scripted import WORD_MS, WORDS, Served, serve

COST = Cost({"event loop": 0.25, "load": 0.05}, {"server": 140.0}, 100, 300, {"unsent": 2})


def step(speakers: int, final_s: float = 2.0, errors: int = 0) -> Step:
    of = {"p50": final_s / 2, "p95": final_s, "p99": final_s + 1}
    return Step(
        speakers=speakers,
        viewers=2,
        seconds=60.0,
        recognizer="script",
        words=10,
        first={"en": of},
        final={"en": {"p50": 0.1, "p95": 0.2, "p99": 0.3}, "es": of},
        reach_ms={"p50": 1.0, "p95": 2.0, "p99": 3.0},
        viewer_kb_s=0.5,
        open_segments=0,
        missed_finals=0,
        errors=errors,
        first_errors=["a <b> error"] * errors,
        cost=COST,
    )


def tried(most_that_hold: int, most: int = 64) -> tuple[list[int], int]:
    steps = list(ramp(lambda n: step(n, 4.0 if n <= most_that_hold else 6.0), 5.0, most))
    return [one.speakers for one in steps], largest(steps, 5.0)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 6, 7, 12, 31])
def test_the_largest_load_is_found(most: int) -> None:
    counts, best = tried(most)
    assert best <= most and most - best <= most // 10
    assert len(counts) == len(set(counts)) <= 12


def test_a_ramp_ends_at_the_most_or_where_nothing_holds() -> None:
    assert tried(100, most=6) == ([1, 2, 4, 6], 6)
    assert tried(0) == ([1], 0)


def test_steps_that_are_named_are_those() -> None:
    assert [one.speakers for one in ramp(step, 5.0, 64, [3, 1])] == [3, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"errors": 1},
        {"open_segments": 1},
        {"missed_finals": 1},
        {"final": {"en": {"p50": 0.1, "p95": 0.2, "p99": 0.3}, "es": {}}},
    ],
)
def test_a_step_that_lost_something_does_not_hold(change: dict[str, object]) -> None:
    assert step(1).holds(2.5) and not step(1).holds(1.5)
    assert not replace(step(1), **change).holds(2.5)


def test_what_others_took_is_what_nobody_else_did() -> None:
    cpu = "surtitle_part_cpu_seconds_total", "event loop"
    sent = "surtitle_captions_sent_total", ""
    memory = "surtitle_part_memory_bytes", "server"
    before = Counters(100.0, {cpu: 5.0, sent: 10.0, memory: 1e6}, 1.0, 50.0)
    after = Counters(110.0, {cpu: 7.0, sent: 40.0, memory: 2e6}, 2.0, 60.0)
    cost = cost_between(before, after, crowd_s=3.0)
    assert cost.cores == {"event loop": 0.2, "load": 0.4, "others": 0.4}
    assert (cost.sent, cost.memory_mb) == (30, {"server": 2.0})
    elsewhere = cost_between(replace(before, busy_s=None), replace(after, busy_s=None), 0.0)
    assert "others" not in elsewhere.cores


def test_a_row_tells_of_the_latest_language() -> None:
    row = dict(zip(HEAD[3:], cells(step(4, errors=1))[3:], strict=True))
    assert row["final p50"] == "1.00 s" and row["viewers"] == "8" and row["errors"] == "1"
    assert row["cores used"] == "event loop 0.25, load 0.05"


def test_a_language_without_captions_is_later_than_all() -> None:
    silent = replace(step(1), final={"en": {"p50": 0.1, "p95": 0.2, "p99": 0.3}, "es": {}})
    assert silent.final_p95_s == math.inf and cells(silent)[3] == "-"


def test_a_line_is_json_without_infinity() -> None:
    line = json_line(replace(step(2), final={}, reach_ms={}))
    assert "Infinity" not in line and json.loads(line)["cost"]["cores"]["load"] == 0.05


class Page(HTMLParser):
    """What a page fetches, and the elements in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]


def test_labels_do_not_cover_each_other() -> None:
    text = html({}, [step(count) for count in (1, 2, 4, 8, 16, 32, 64, 80, 88, 96, 128)], 5.0)
    plot = text.partition("</svg>")[0]
    labels = re.findall(r'text-anchor="middle">(\d+)<', plot)
    assert labels == ["128", "96", "88", "80", "64", "32", "16", "8"]


def test_what_all_steps_held_is_no_limit() -> None:
    assert found([step(2), step(4)], 5.0).startswith("at least 4 speakers at once: ")
    assert found([step(2), step(4, 6.0)], 5.0).startswith("2 speakers at once: ")
    assert found([step(4, 6.0)], 5.0).startswith("no number of speakers")


def test_the_page_needs_nothing_else_and_escapes_what_it_is_given() -> None:
    text = html({"recordings": "<script>"}, [step(4, 6.0), step(1), step(2)], 5.0)
    page = Page(text)
    assert page.elements.count("svg") == 3 and page.elements.count("tr") == 4
    assert not page.fetched and "script" not in page.elements
    assert found([step(4, 6.0), step(2)], 5.0) in text


def test_what_cannot_be_planned_is_told() -> None:
    speech = [RecordedSpeech(Path("x"), "en", np.zeros(9, np.int16), (Word("a", 0, 1, 1.0),))]
    server, config = Server("http://127.0.0.1:9"), LiveConfig("en")
    for wrong, told in (({"seconds": 0}, "got 0"), ({"viewers": -1}, "got -1")):
        with pytest.raises(ValueError, match=told):
            Plan(server, speech, config, **wrong)
    with pytest.raises(ValueError, match="nothing is said"):
        Plan(server, [], config)


@pytest.mark.slow
def test_a_step_on_a_server(tmp_path: Path) -> None:
    """Two speak nine words of a script, two read each of them."""
    words = [Word(text, n * WORD_MS, (n + 1) * WORD_MS, 1.0) for n, text in enumerate(WORDS)]
    pcm = np.zeros(len(WORDS) * WORD_MS * 16, np.int16)
    speech = [RecordedSpeech(Path("script"), "en", pcm, tuple(words))]

    async def scenario(served: Served) -> None:
        plan = Plan(Server(served.url), speech, LiveConfig("en", ("es",)), seconds=2.0, viewers=2)
        done = await asyncio.to_thread(run_step, plan, 2)
        assert (done.errors, done.open_segments, done.missed_finals) == (0, 0, 0)
        assert done.speakers == 2 and done.recognizer == "script"
        assert done.words >= 2 * len(WORDS) and 0 < done.final["es"]["p95"] < 60
        assert done.cost.sent == 3 * done.cost.captions > 0  # a publisher and two viewers
        assert 0.1 < done.viewer_kb_s < 10
        assert done.cost.cores["event loop"] > 0

    serve(scenario, tmp_path)
