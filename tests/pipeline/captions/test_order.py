"""Literal arrivals first, then rules that hold over arrivals by chance, with fixed seeds."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from surtitle.pipeline.captions.order import (
    FARTHEST_DRAFT,
    GAPS,
    HELD_SEGMENTS,
    CaptionOrder,
)
from surtitle.pipeline.events import Caption


def draft(segment_id: int, revision: int = 0, language: str = "es") -> Caption:
    text = f"draft {segment_id}.{revision}"
    return Caption(segment_id, revision, language, text, 0, 900, is_final=False)


def final(segment_id: int, revision: int = 9, language: str = "es") -> Caption:
    text = f"final {segment_id}"
    return Caption(segment_id, revision, language, text, 0, 900, is_final=True)


def pushed(order: CaptionOrder, *captions: Caption) -> list[str]:
    return [left.text for caption in captions for left in order.push(caption)]


def test_a_final_that_comes_too_early_waits_for_the_one_before_it() -> None:
    order = CaptionOrder()
    assert pushed(order, final(0), final(2)) == ["final 0"]
    assert pushed(order, final(1)) == ["final 1", "final 2"]


def test_finals_leave_once() -> None:
    order = CaptionOrder()
    assert pushed(order, final(0), final(0), final(2), final(2)) == ["final 0"]
    assert pushed(order, final(1), final(1), final(2)) == ["final 1", "final 2"]


def test_drafts_leave_while_no_earlier_segment_is_open() -> None:
    order = CaptionOrder()
    assert pushed(order, draft(0, 0), draft(1, 0), draft(1, 1), draft(0, 1)) == [
        "draft 0.0",
        "draft 0.1",
    ]
    assert pushed(order, final(0)) == ["final 0", "draft 1.1"]
    assert pushed(order, draft(1, 1), draft(1, 0), draft(1, 2)) == ["draft 1.2"]


def test_a_draft_after_its_final_does_not_leave() -> None:
    order = CaptionOrder()
    assert pushed(order, final(1), draft(1, 99), final(0), draft(0, 99)) == ["final 0", "final 1"]


def test_languages_do_not_wait_for_each_other() -> None:
    order = CaptionOrder()
    assert pushed(order, final(1), final(0, language="en")) == ["final 0"]
    assert pushed(order, final(1, language="en")) == ["final 1"]


def test_a_missing_final_is_given_up_when_enough_wait_for_it() -> None:
    order = CaptionOrder()
    waiting = [final(n) for n in range(1, HELD_SEGMENTS)]
    assert pushed(order, *waiting) == []
    assert len(pushed(order, final(HELD_SEGMENTS))) == HELD_SEGMENTS
    assert pushed(order, draft(0)) == []
    assert pushed(order, final(0), final(0), final(1)) == ["final 0"]
    assert pushed(order, final(HELD_SEGMENTS + 1)) == [f"final {HELD_SEGMENTS + 1}"]


def test_who_comes_late_waits_for_nothing_that_was_before() -> None:
    order = CaptionOrder()
    order.begin([final(41), final(40)])
    assert pushed(order, final(40), final(42), draft(41)) == ["final 40", "draft 41.0"]
    assert pushed(order, final(39), final(39)) == ["final 39"]  # it was not shown
    assert pushed(order, final(41)) == ["final 41", "final 42"]


def test_a_flush_lets_the_finals_go_that_are_held() -> None:
    order = CaptionOrder()
    assert pushed(order, final(1), draft(2), final(3), draft(4)) == []
    assert [caption.text for caption in order.flush()] == ["final 1", "final 3"]
    assert order.flush() == []
    assert pushed(order, final(3), final(0)) == ["final 0"]
    assert pushed(order, final(4)) == ["final 4"]


def arrivals(rng: random.Random, segments: int, *, most_late: float) -> list[Caption]:
    """Drafts and finals of two languages; the final of a segment comes up to `most_late` segments
    late, and some captions come twice."""
    timed: list[tuple[float, Caption]] = []
    for language in ("en", "es"):
        for n in range(segments):
            late = rng.uniform(0, most_late)
            timed += [
                (n + rng.uniform(0, late), draft(n, r, language)) for r in range(rng.randrange(4))
            ]
            timed.append((n + late, final(n, language=language)))
    timed += [(at + rng.uniform(0, 9), caption) for at, caption in rng.sample(timed, segments // 2)]
    return [caption for _, caption in sorted(timed, key=lambda pair: pair[0])]


def shown_in(order: CaptionOrder, captions: list[Caption], language: str) -> list[Caption]:
    left = [left for caption in captions for left in order.push(caption)] + order.flush()
    return [caption for caption in left if caption.language == language]


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_a_little_late_is_in_order_and_complete(seed: int) -> None:
    captions = arrivals(random.Random(seed), 60, most_late=HELD_SEGMENTS - 1.0)
    for language in ("en", "es"):
        left = shown_in(CaptionOrder(), captions, language)
        finals = [caption.segment_id for caption in left if caption.is_final]
        assert finals == list(range(60))
        assert all(one.segment_id <= two.segment_id for one, two in pairwise(left))
        drafts = [(one.segment_id, one.revision) for one in left if not one.is_final]
        assert drafts == sorted(set(drafts))


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_very_late_is_neither_lost_nor_doubled(seed: int) -> None:
    captions = arrivals(random.Random(seed), 60, most_late=60.0)
    for language in ("en", "es"):
        left = shown_in(CaptionOrder(), captions, language)
        finals = [caption.segment_id for caption in left if caption.is_final]
        assert sorted(finals) == list(range(60))
        left_at = {caption.segment_id: at for at, caption in enumerate(left) if caption.is_final}
        late = [
            one for at, one in enumerate(left) if not one.is_final and at > left_at[one.segment_id]
        ]
        assert late == []


@pytest.mark.parametrize("seed", range(5))
def test_memory_is_bounded_whatever_comes(seed: int) -> None:
    rng, order, held, left = random.Random(seed), CaptionOrder(), 0, 0
    for n in range(4000):
        make = rng.choice([draft, final])
        came = order.push(make(rng.choice([rng.randrange(10**6), 3 * n, n]), rng.randrange(5)))
        left += len(came)
        language = order._languages["es"]
        held = max(held, len(language._newest) + len(language._gaps))
    assert held <= HELD_SEGMENTS + FARTHEST_DRAFT + GAPS
    assert left > HELD_SEGMENTS


def said(segment_id: int, language: str, *, is_final: bool = True) -> Caption:
    text = f"said {segment_id}"
    return Caption(segment_id, 9, language, text, 0, 900, is_final, is_source=True)


def test_what_is_said_in_several_languages_leaves_in_its_own_order() -> None:
    order = CaptionOrder()
    arrived = said(0, "en"), said(1, "es"), said(2, "en"), said(4, "en")
    assert pushed(order, *arrived) == ["said 0", "said 1", "said 2"]
    assert pushed(order, said(3, "de")) == ["said 3", "said 4"]
    assert order.flush() == []


def test_a_translation_waits_for_no_segment_that_is_spoken_in_its_language() -> None:
    order = CaptionOrder()
    assert pushed(order, said(0, "es"), said(1, "en"), final(1)) == ["said 0", "said 1", "final 1"]
    assert pushed(order, said(2, "en"), said(3, "es"), final(4)) == ["said 2", "said 3"]
    assert pushed(order, final(2)) == ["final 2", "final 4"]


def test_who_reads_one_language_waits_for_none_that_is_spoken_in_another() -> None:
    order = CaptionOrder()
    assert pushed(order, final(0), said(1, "es"), final(3), said(2, "es")) == [
        "final 0",
        "said 1",
        "said 2",
        "final 3",
    ]


def test_who_comes_late_waits_for_nothing_in_any_language() -> None:
    order = CaptionOrder()
    order.begin([said(40, "es"), said(41, "en"), final(41)])
    assert pushed(order, said(40, "es"), said(41, "en"), final(41)) == [
        "said 40",
        "said 41",
        "final 41",
    ]
