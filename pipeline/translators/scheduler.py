"""Which translations begin next (pure).

Finals come first, in the order in which they were added, and are never dropped. A draft that waits
is superseded by a newer revision of its segment; so each open segment has one place per language
in the queue, and under load drafts become rarer, not later.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from ..captions.track import CaptionTrack
from ..events import Caption, SourceSegment


@dataclass(frozen=True, slots=True)
class Job:
    """A revision to translate for a track. `done` hears the caption, None where none changes.

    `heard_ms` is the media time up to which the session had heard when the revision was made.
    """

    session_id: str
    track: CaptionTrack
    segment: SourceSegment
    heard_ms: int
    done: Callable[[Job, Caption | None], None]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.session_id, self.track.language, self.segment.segment_id


class Scheduler:
    """Bounded by the open segments, as drafts supersede each other, and by the finals that wait."""

    def __init__(self) -> None:
        self._finals: dict[tuple[str, str, int], Job] = {}
        self._drafts: dict[tuple[str, str, int], Job] = {}

    def add(self, job: Job) -> Job | None:
        """Queue a job; return the draft that it supersedes, if one waits."""
        superseded = self._drafts.pop(job.key, None)
        (self._finals if job.segment.is_final else self._drafts)[job.key] = job
        return superseded

    def take(self, most: int, busy: Container[tuple[str, str, int]]) -> list[Job]:
        """Take up to `most` jobs out of the queue; those whose key is `busy` wait."""
        waiting = [
            job for job in (*self._finals.values(), *self._drafts.values()) if job.key not in busy
        ][:most]
        for job in waiting:
            (self._finals if job.segment.is_final else self._drafts).pop(job.key)
        return waiting

    def drop(self, session_id: str) -> None:
        """Forget what waits for a session that has ended."""
        for queue in self._finals, self._drafts:
            for key in [key for key in queue if key[0] == session_id]:
                del queue[key]

    def oldest_heard_ms(self, session_id: str) -> int | None:
        """From which moment of a session the oldest job that waits is."""
        return min((job.heard_ms for job in self._jobs(session_id)), default=None)

    def count(self, session_id: str) -> int:
        return len(self._jobs(session_id))

    def _jobs(self, session_id: str) -> list[Job]:
        queued = [*self._finals.values(), *self._drafts.values()]
        return [job for job in queued if job.session_id == session_id]
