"""A server that is cut, killed and read by many loses and doubles nothing, and does not grow.

`make soak MINUTES=60` runs it for longer, and tells what it has measured.
"""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from .findings import MOST_REPEATED, Findings, follows
from .soak import KILLED, REFERENCE, STEADY, soak
from .tones import SENTENCES

MINUTES = float(os.environ.get("SURTITLE_SOAK_MINUTES", "3"))
IS_LONG = MINUTES >= 30
# In minutes the memory of a process that has just begun cannot be told from that of one that grows,
# nor a lag that grows from a machine that others use: a short run finds what grows fast, a long one
# what grows at all.
WARM_UP_S = 600.0 if IS_LONG else 20.0
MOST_MB_PER_MIN = 0.1 if IS_LONG else 3.0
MOST_DRIFT_S = 0.2 if IS_LONG else 3.0
WORDS = [word for sentence in SENTENCES for word in sentence]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("soak")
    found = asyncio.run(soak(MINUTES, folder, print))
    print(f"\n{MINUTES:g} minutes, in {folder}: {dict(found.counts)}")
    print(f"{len(found.said)} words, {len(found.sessions)} sessions; {found.lag_text()}")
    print(f"memory {found.memory[0][1]:.1f} to {found.memory[-1][1]:.1f} MB")
    print(f"slope {found.slope_mb_per_min(WARM_UP_S):.3f} MB a minute after {WARM_UP_S:g} s")
    return found


def test_all_that_was_to_happen_has_happened(found: Findings) -> None:
    for what in "connections cut", "recognizers killed", "publishers killed", "viewers":
        assert found.counts[what] > 0, found.counts
    assert len(found.of(STEADY)) == 3 and len(found.of(KILLED)) >= 4
    assert found.statuses == [0, 0, 0]
    assert "Traceback" not in found.log, found.log


def test_the_reference_is_what_was_said(found: Findings) -> None:
    (reference,) = found.of(REFERENCE)
    assert reference.words == WORDS


def test_no_word_is_lost_or_doubled(found: Findings) -> None:
    """When a server has died, what was open then is said again."""
    said, at, before = [word for word, _ in found.said], 0, ""
    for session in found.of(STEADY):
        repeated = MOST_REPEATED if before in found.crashed else 0
        end = follows(session.words, at, said, repeated)
        assert end is not None, (session.id, at, session.words[:20])
        at, before = end, session.id
    assert at == len(said)


def test_each_life_of_a_publisher_that_is_killed_is_whole(found: Findings) -> None:
    said, at, begun = WORDS * round(2 + found.minutes), 0, 0
    for session in found.of(KILLED):
        end = follows(session.words, at, said, MOST_REPEATED)
        if end is None:  # another one has begun from the start
            begun, end = begun + 1, follows(session.words, 0, said, 0)
        assert end is not None, (session.id, at, session.words[:20])
        at = end
    assert begun <= found.counts["publishers killed"]


def test_segments_are_those_of_the_reference(found: Findings) -> None:
    """But for the first and the last of a session, which may begin or end in a sentence."""
    (reference,) = found.of(REFERENCE)
    known = set(reference.segments)
    for session in found.sessions:
        assert known.issuperset(session.segments[1:-1]), session.id
        for english, spanish in session.segments:
            assert spanish == f"[es] {english}" or session.id in found.crashed, session.id


def test_a_viewer_sees_what_is_stored(found: Findings) -> None:
    for room in STEADY, KILLED:
        assert found.unseen(room) == []


def test_memory_does_not_grow(found: Findings) -> None:
    assert found.slope_mb_per_min(WARM_UP_S) < MOST_MB_PER_MIN


def test_captions_do_not_come_later_and_later(found: Findings) -> None:
    assert found.drift_s() < MOST_DRIFT_S
