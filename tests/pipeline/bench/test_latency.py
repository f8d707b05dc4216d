"""Delays by literal captions and words."""

from __future__ import annotations

from surtitle.pipeline.bench.latency import row
from surtitle.pipeline.bench.playing import Shown
from surtitle.pipeline.events import Caption, Word


def shown(at_ms: float, text: str, *, segment_id: int = 0, final: bool = False) -> Shown:
    start_ms = 10_000 * segment_id
    return Shown(
        at_ms, Caption(segment_id, 0, "es", text, start_ms, start_ms + 2000, is_final=final)
    )


WORDS = [Word("one", 0, 1000, 1.0), Word("two", 1000, 2000, 1.0)]


def test_a_word_is_shown_when_its_share_of_the_caption_is() -> None:
    cells = row("es", [shown(1500, "uno"), shown(4000, "uno dos", final=True)], WORDS)
    # 500 ms after the first word, 2000 after the second; the final 3000 and 2000.
    assert cells[0] == "1.25 s" and cells[3] == "2.50 s"
    assert cells[6] == "0.000"


def test_what_is_taken_back_is_erasure() -> None:
    captions = [shown(1500, "una"), shown(4000, "uno dos", final=True)]
    assert row("es", captions, WORDS)[6] == "0.500"


def test_other_languages_do_not_count() -> None:
    english = Shown(9000, Caption(0, 0, "en", "one two", 0, 2000, is_final=True))
    cells = row("es", [english, shown(2000, "uno dos", final=True)], WORDS)
    assert cells[0] == "0.50 s"


def test_a_language_without_captions_has_no_delays() -> None:
    assert row("de", [shown(1500, "uno", final=True)], WORDS) == ["-"] * 8
