"""The learning curve as an SVG picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from .validation import Point

WIDTH, HEIGHT = 640, 200  # of each of the two panels
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 28, 28
STYLE = """
text { font: 12px sans-serif; fill: #444 }
.axis { stroke: #999 } .loss { stroke: #b3541e } .chrf { stroke: #1e6fb3 }
polyline { fill: none; stroke-width: 2 } .loss-dot { fill: #b3541e } .chrf-dot { fill: #1e6fb3 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
"""


def learning_curve(points: Sequence[Point]) -> str:
    """chrF above, loss below, over the minutes of training; stages beside each other."""
    stages = [(name, list(group)) for name, group in groupby(points, lambda point: point.stage)]
    starts = [0.0]
    for _, group in stages:
        starts.append(starts[-1] + max(point.seconds for point in group) / 60)
    whole = starts[-1] or 1.0

    def x(stage: int, seconds: float) -> float:
        return LEFT + (starts[stage] + seconds / 60) / whole * (WIDTH - LEFT - RIGHT)

    def panel(kind: str, title: str, top: int, value: Callable[[Point], float]) -> list[str]:
        most = max(value(point) for point in points) or 1.0
        floor = top + HEIGHT - BOTTOM

        def y(point: Point) -> float:
            return floor - value(point) / most * (HEIGHT - TOP - BOTTOM)

        marks = [
            f'<text x="{LEFT}" y="{top + 16}">{title}</text>',
            f'<text x="{LEFT - 6}" y="{top + TOP + 4}" text-anchor="end">{most:.3g}</text>',
            f'<text x="{LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>',
            f'<path class="axis" fill="none" d="M{LEFT} {top + TOP}V{floor}H{WIDTH - RIGHT}"/>',
        ]
        for index, (_, group) in enumerate(stages):
            at = [(x(index, point.seconds), y(point)) for point in group]
            line = " ".join(f"{left:.1f},{height:.1f}" for left, height in at)
            marks.append(f'<polyline class="{kind}" points="{line}"/>')
            marks += [
                f'<circle class="{kind}-dot" cx="{left:.1f}" cy="{height:.1f}" r="3"/>'
                for left, height in at
            ]
        return marks

    marks = panel("chrf", "chrF of held-out pairs", 0, lambda point: point.chrf)
    marks += panel("loss", "loss on held-out pairs", HEIGHT, lambda point: point.loss)
    for index, (name, _) in enumerate(stages):
        left = x(index, 0)
        marks.append(
            f'<path class="axis" stroke-dasharray="3" d="M{left:.1f} {TOP}V{2 * HEIGHT}"/>'
        )
        middle = (left + x(index + 1, 0)) / 2 if index + 1 < len(starts) else left
        marks.append(f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{name}</text>')
    marks += [
        f'<text x="{LEFT}" y="{2 * HEIGHT - 8}">0</text>',
        f'<text x="{WIDTH - RIGHT}" y="{2 * HEIGHT - 8}" text-anchor="end">{whole:.3g} min</text>',
    ]
    size = f'viewBox="0 0 {WIDTH} {2 * HEIGHT}" width="{WIDTH}" height="{2 * HEIGHT}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>", *marks]
    return "\n".join([*lines, "</svg>\n"])
