"""Whether a server is worth asking: after a few failures in a row it is left alone, and tried again
at growing waits (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False, slots=True)
class Permit:
    """To ask once. Goes back through `answered`, `failed` or `left`, whatever has happened."""

    is_probe: bool


class Availability:
    """Of one server, which is taken to be there at first.

    It is away after MOST_FAILURES in a row. From then on one permit at a time is given, as a probe:
    the first after FIRST_WAIT_S, the next ones after twice the wait before, at most LONGEST_WAIT_S.
    """

    MOST_FAILURES = 3
    FIRST_WAIT_S = 1.0
    LONGEST_WAIT_S = 30.0

    def __init__(self) -> None:
        self._failures = 0  # in a row
        self._wait_s = 0.0  # 0: it is there
        self._next_probe_s = 0.0
        self._is_probed = False

    @property
    def is_away(self) -> bool:
        return self._wait_s > 0

    def permit(self, now_s: float) -> Permit | None:
        """None where it is away, and it is not time for the next probe."""
        if not self.is_away:
            return Permit(False)
        if self._is_probed or now_s < self._next_probe_s:
            return None
        self._is_probed = True
        return Permit(True)

    def until_probe_s(self, now_s: float) -> float:
        """How long to wait before a permit is worth asking for again."""
        if not self.is_away:
            return 0.0
        return self.FIRST_WAIT_S if self._is_probed else max(0.0, self._next_probe_s - now_s)

    def answered(self, permit: Permit) -> bool:
        """It is there; return whether it was away until now."""
        self.left(permit)
        was_away, self._wait_s, self._failures = self.is_away, 0.0, 0
        return was_away

    def failed(self, permit: Permit, now_s: float) -> bool:
        """Return whether it is away from now on, and was not before."""
        self.left(permit)
        if self.is_away:
            if permit.is_probe:  # what was asked before it went away tells nothing new
                self._wait_s = min(2 * self._wait_s, self.LONGEST_WAIT_S)
                self._next_probe_s = now_s + self._wait_s
            return False
        self._failures += 1
        if self._failures < self.MOST_FAILURES:
            return False
        self._wait_s = self.FIRST_WAIT_S
        self._next_probe_s = now_s + self._wait_s
        return True

    def left(self, permit: Permit) -> None:
        """Whoever had it does not need the answer any more."""
        if permit.is_probe:
            self._is_probed = False
