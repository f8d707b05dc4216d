"""What a ramp of load came to: a table, JSON lines, and one HTML file with plots."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from .load import Quantiles, Step, largest

HEAD = (
    "speakers",
    "first p50",
    "p95",
    "final p50",
    "p95",
    "p99",
    "viewers",
    "reach p99",
    "drafts shed",
    "errors",
    "cores used",
    "memory",
)
WIDTH, HEIGHT = 640, 220  # of each plot
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 30, 34
TICKS = 4
LABEL = 24  # the width of a number below
COLORS = ("#1e6fb3", "#b3541e", "#3d8b37", "#8a4fa3", "#b8860b", "#5a6b7b", "#c23b6b", "#2b8a8a")
_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  background: #fff; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ccc }
:is(th, td):nth-child(n + 11) { text-align: left } td:nth-child(-n + 10) { white-space: nowrap }
svg { display: block; max-width: 100%; height: auto; margin: 1rem 0 }
svg text { font: 12px sans-serif; fill: currentColor } .axis { stroke: #888; fill: none }
.limit { stroke: #c00; stroke-dasharray: 5 4 } polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { body { background: #1b1d20; color: #ddd }
  th, td { border-color: #444 } }
"""

Line = tuple[str, list[float]]  # its name, and its value at each step


def cells(step: Step) -> list[str]:
    """A step as a row of the table; delays are those of the language that is latest."""
    first, final = _latest(step.first), _latest(step.final)
    failed = step.errors + step.open_segments + step.missed_finals
    return [
        str(step.speakers),
        *(_seconds(first, q) for q in ("p50", "p95")),
        *(_seconds(final, q) for q in ("p50", "p95", "p99")),
        str(step.speakers * step.viewers),
        f"{step.reach_ms['p99']:.0f} ms" if step.reach_ms else "-",
        str(sum(step.cost.shed.values())),
        str(failed),
        ", ".join(f"{part} {share:.2f}" for part, share in _shares(step)),
        ", ".join(f"{part} {size:.0f} MB" for part, size in step.cost.memory_mb.items()),
    ]


def row(of: Sequence[str]) -> str:
    return f"| {' | '.join(of)} |"


def found(steps: Sequence[Step], limit_s: float) -> str:
    """The sentence that a ramp is for."""
    most = largest(steps, limit_s)
    what = f"final captions within {limit_s:g} s for 95 % of the words, and none missing"
    if not most:
        return f"no number of speakers that was tried had {what}"
    is_limit = any(step.speakers > most for step in steps)
    return f"{'' if is_limit else 'at least '}{most} speakers at once: {what}"


def json_line(step: Step) -> str:
    return json.dumps({"type": "step", **asdict(step)}, ensure_ascii=False)


def html(head: dict[str, Any], steps: Sequence[Step], limit_s: float) -> str:
    """A page that needs nothing else; `head` says what was measured on what."""
    ordered = sorted(steps, key=lambda step: step.speakers)
    counts = [step.speakers for step in ordered]
    parts = list(dict.fromkeys(part for step in ordered for part in step.cost.cores))
    delays: list[Line] = [
        (f"{name} {q}", [_latest(of(step)).get(q, math.nan) for step in ordered])
        for name, of, qs in (
            ("first", _first, ("p50", "p95")),
            ("final", _final, ("p50", "p95", "p99")),
        )
        for q in qs
    ]
    cores: list[Line] = [
        (part, [step.cost.cores.get(part, 0.0) for step in ordered]) for part in parts
    ]
    failures: list[Line] = [
        ("drafts shed", [float(sum(step.cost.shed.values())) for step in ordered]),
        ("errors", [float(step.errors) for step in ordered]),
        ("finals missing", [float(s.open_segments + s.missed_finals) for s in ordered]),
    ]
    plots = [
        _plot("Delay of the latest language, s", counts, delays, limit_s),
        _plot("Processor time, cores", counts, cores, None),
        _plot("What was not shown, in a step", counts, failures, None),
    ]
    titles = "".join(f"<th>{escape(title)}</th>" for title in HEAD)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(step))}</tr>"
        for step in ordered
    )
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in head.items())
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>surtitle load</title>'
        f"<style>{_STYLE}</style>\n<h1>surtitle load</h1>\n<p>{escape(found(steps, limit_s))}.</p>"
        f"\n{''.join(plots)}\n<table><tr>{titles}</tr>{rows}</table>\n<dl>{facts}</dl>\n</html>\n"
    )


def _plot(title: str, counts: Sequence[int], lines: Sequence[Line], limit: float | None) -> str:
    """Lines over the number of speakers, in an SVG."""
    known = [value for _, line in lines for value in line if math.isfinite(value)]
    tick = _round_up(max([*known, limit or 0.0, 1e-3]) / TICKS)
    most = TICKS * tick
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(count: float) -> float:
        return LEFT + count / max(counts, default=1) * (right - LEFT)

    def y(value: float) -> float:
        return floor - value / most * (floor - TOP)

    marks = [
        f'<text x="{LEFT}" y="18">{escape(title)}</text>',
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>',
        *(_tick(n * tick, y) for n in range(TICKS + 1)),
        *(
            f'<text x="{x(count):.1f}" y="{floor + 16}" text-anchor="middle">{count}</text>'
            for count in _apart(counts, x)
        ),
    ]
    if limit is not None:
        marks.append(f'<path class="limit" d="M{LEFT} {y(limit):.1f}H{right}"/>')
    for index, (name, line) in enumerate(lines):
        color = COLORS[index % len(COLORS)]
        at = [(x(n), y(value)) for n, value in zip(counts, line, strict=True) if value == value]
        points = " ".join(f"{left:.1f},{height:.1f}" for left, height in at)
        marks.append(f'<polyline stroke="{color}" points="{points}"/>')
        marks += [f'<circle fill="{color}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in at]
        below = TOP + 16 * index
        marks.append(f'<circle fill="{color}" cx="{right + 14}" cy="{below - 4}" r="4"/>')
        marks.append(f'<text x="{right + 24}" y="{below}">{escape(name)}</text>')
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(marks)}</svg>'


def _apart(counts: Sequence[int], x: Callable[[float], float]) -> list[int]:
    """Those whose labels do not cover each other, from the last one down."""
    shown: list[int] = []
    for count in reversed(counts):
        if not shown or x(shown[-1]) - x(count) >= LABEL:
            shown.append(count)
    return shown


def _round_up(value: float) -> float:
    """To 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= value * (1 - 1e-9))


def _tick(value: float, y: Callable[[float], float]) -> str:
    return f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'


def _first(step: Step) -> dict[str, Quantiles]:
    return step.first


def _final(step: Step) -> dict[str, Quantiles]:
    return step.final


def _latest(by_language: dict[str, Quantiles]) -> Quantiles:
    """Of the language in which most is late; one that has no captions is later than all."""
    return max(by_language.values(), key=lambda of: of.get("p95", math.inf))


def _seconds(of: Quantiles, quantile: str) -> str:
    return f"{of[quantile]:.2f} s" if of else "-"


def _shares(step: Step) -> list[tuple[str, float]]:
    """The parts that took anything to speak of, the dearest first."""
    shares = [(part, share) for part, share in step.cost.cores.items() if share >= 0.005]
    return sorted(shares, key=lambda each: -each[1])
