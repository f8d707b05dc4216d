"""What a soak has found, and what follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from .transcripts import Finals, Session

MOST_REPEATED = 16  # words: the segment that was open when a server died


@dataclass
class Findings:
    minutes: float
    said: list[tuple[str, float]] = field(default_factory=list)  # by the steady one, and when
    heard: dict[str, list[tuple[str, float]]] = field(default_factory=dict)  # what was final when
    seen: dict[str, dict[str, Finals]] = field(default_factory=dict)  # by room and session
    sessions: list[Session] = field(default_factory=list)  # as they are stored
    crashed: set[str] = field(default_factory=set)  # sessions of the server that was killed
    memory: list[tuple[float, float]] = field(default_factory=list)  # when (s), and MB
    statuses: list[int] = field(default_factory=list)  # of the processes that ended in order
    counts: Counter[str] = field(default_factory=Counter)
    log: str = ""

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def of(self, room: str) -> list[Session]:
        return [session for session in self.sessions if session.room == room]

    def unseen(self, room: str) -> list[str]:
        """The sessions of which a viewer has not seen exactly what is stored.

        Of one that died with its server, it may lack some, and must not have more.
        """
        seen = self.seen[room]
        return [
            session.id
            for session in self.of(room)
            if not (
                seen.get(session.id, {}).items() <= session.finals.items()
                if session.id in self.crashed
                else seen.get(session.id) == session.finals
            )
        ]

    def lags_s(self) -> list[float]:
        """How long after each word of the steady one's last session its final caption came."""
        heard = list(self.heard.values())[-1]
        said = self.said[-len(heard) :]
        assert [word for word, _ in heard] == [word for word, _ in said], "none is missing"
        return [at_s - said_s for (_, at_s), (_, said_s) in zip(heard, said, strict=True)]

    def lag_text(self) -> str:
        lags = self.lags_s()
        shown = ", ".join(f"{np.percentile(lags, q):.2f} s ({q} %)" for q in (10, 50, 95))
        return f"finals after {shown}, drift {self.drift_s():+.2f} s"

    def drift_s(self) -> float:
        """The lag of the last quarter, less that of the first: 5 minutes each at most.

        Of each the tenth percentile: a machine that others use as well makes many words later, and
        a lag that grows all of them.
        """
        lags = self.lags_s()
        size = min(len(lags) // 4, round(5 / self.minutes * len(self.said)))
        return float(np.percentile(lags[-size:], 10) - np.percentile(lags[:size], 10))

    def slope_mb_per_min(self, warm_up_s: float) -> float:
        """The median of the slopes between all pairs of measurements after the warm-up."""
        at_s, mb = np.array(self.memory).T
        is_warm = at_s >= at_s[0] + warm_up_s
        at_min, mb = at_s[is_warm][::5] / 60, mb[is_warm][::5]
        first, second = np.triu_indices(at_min.size, 1)
        return float(np.median((mb[second] - mb[first]) / (at_min[second] - at_min[first])))


def follows(words: list[str], before: int, said: list[str], repeated: int) -> int | None:
    """Where `words` end that follow the first `before` of `said`, or repeat some of those; None
    where they do neither."""
    for start in range(before, max(0, before - repeated) - 1, -1):
        if said[start : start + len(words)] == words:
            return start + len(words)
    return None
