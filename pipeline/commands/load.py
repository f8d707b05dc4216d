"""`surtitle load`: simulated speakers and viewers on a running server, more and more of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..bench.load import Plan, Step, ramp, run_step, warm_up
from ..bench.load_report import HEAD, cells, found, html, json_line, row
from ..bench.speaking import hear_recordings
from ..client.connection import Server
from ..client.real_time import LOCAL
from ..recognizers.recorded import RecordedSpeech, read_recorded, write_recorded
from .options import add_session_options, session_config


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "load",
        help="find out how much load a running server carries",
        description="Lets more and more simulated speakers talk in rooms of a running server, with "
        "viewers in each, and tells what each step came to: see docs/scale.md.",
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="recordings that are spoken"
    )
    parser.add_argument(
        "--words",
        type=Path,
        metavar="FILE",
        help="JSON lines of recordings and their words: with recordings it is written, without "
        "them it is read; `surtitle serve --asr recorded` takes it, too",
    )
    parser.add_argument("--url", default=LOCAL, metavar="URL", help=f"default: {LOCAL}")
    parser.add_argument(
        "--token",
        default=os.environ.get("SURTITLE_PUBLISH_TOKEN"),
        help="where the server wants one; default: $SURTITLE_PUBLISH_TOKEN",
    )
    parser.add_argument("--room", default="load", metavar="NAME", help="of the first: NAME-0")
    parser.add_argument(
        "--at-once",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="speakers in each step; default: twice as many each time, until the limit is found",
    )
    parser.add_argument(
        "--most", type=int, default=64, metavar="N", help="speakers, if not --at-once; default: 64"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=5.0,
        metavar="S",
        help="for the final captions of 95 %% of the words; default: 5 seconds",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each step; default: 60")
    parser.add_argument(
        "--viewers", type=int, default=1, metavar="N", help="of each room; default: 1"
    )
    parser.add_argument(
        "--jitter", type=float, default=50.0, metavar="MS", help="of the network; default: 50"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a JSON line for each step")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an HTML page with plots")
    add_session_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        config, server = session_config(arguments), Server(arguments.url, arguments.token)
        counts: list[int] = arguments.at_once
        if not all(1 <= count <= 10_000 for count in [arguments.most, *counts]):
            raise ValueError("so many speakers must be 1 to 10000")
        if not 0 < arguments.limit <= 600:
            raise ValueError(f"the limit must be 0 to 600 seconds, got {arguments.limit:g}")
        if not arguments.files and arguments.words is None:
            raise ValueError("name recordings to speak, or --words with a file that names them")
        plan = Plan(
            server,
            _speech(arguments.files, arguments.words, config.source),
            config,
            seconds=arguments.seconds,
            viewers=arguments.viewers,
            jitter_ms=arguments.jitter,
            room=arguments.room,
        )
    except (ValueError, OSError) as error:
        print(f"surtitle load: {error}", file=sys.stderr)
        return 2
    warm_up(plan)
    report = _Report(_head(plan), arguments.limit, arguments.json, arguments.plot)
    for step in ramp(partial(run_step, plan), arguments.limit, arguments.most, counts):
        report.add(step)
    print(found(report.steps, arguments.limit))
    return 0


def _speech(files: Sequence[Path], words: Path | None, language: str) -> list[RecordedSpeech]:
    """Raises OSError, SurtitleError."""
    if not files:
        assert words is not None, "one of both is there"
        return read_recorded(words)
    speech = hear_recordings(files, language, lambda line: print(line, file=sys.stderr))
    if words is not None:
        write_recorded(words, speech)
    return speech


class _Report:
    """Steps as they come: a table for people, and files that hold all so far."""

    def __init__(
        self, head: dict[str, Any], limit_s: float, lines: Path | None, page: Path | None
    ) -> None:
        """Raises OSError."""
        self.steps: list[Step] = []
        self._head = head
        self._limit_s = limit_s
        self._lines, self._page = lines, page
        if lines is not None:
            lines.write_text(json.dumps({"type": "head", **head}) + "\n", encoding="utf-8")
        print(row(HEAD), row(["---"] * len(HEAD)), sep="\n", flush=True)

    def add(self, step: Step) -> None:
        self.steps.append(step)
        print(row(cells(step)), flush=True)
        for error in step.first_errors:
            print(f"  {error}", file=sys.stderr)
        if self._lines is not None:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write(json_line(step) + "\n")
        if self._page is not None:
            page = html(self._head, self.steps, self._limit_s)
            self._page.write_text(page, encoding="utf-8")


def _head(plan: Plan) -> dict[str, Any]:
    """What is measured, on what."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "recordings": [one.path.name for one in plan.speech],
        "session": {k: v for k, v in asdict(plan.config).items() if k != "terms"},
        "seconds": plan.seconds,
        "viewers of a room": plan.viewers,
        "jitter in ms": plan.jitter_ms,
    }
