from __future__ import annotations

from dataclasses import replace

import pytest

from surtitle.pipeline.events import Caption
from surtitle.pipeline.webrtc.tile_text import KEPT_SEGMENTS, Line, Row, TileText

EN = Caption(0, 1, "en", "The harbor opens.", 0, 900, True, is_source=True, speaker="Ana")
ES = Caption(0, 1, "es", "El puerto abre.", 0, 900, True, speaker="Ana")


def test_both_languages_of_a_sentence_stand_together() -> None:
    text = TileText(("es", "en"))
    assert text.push(EN) and text.push(ES)
    lines = (
        Line("El puerto abre.", "es", True),
        Line("The harbor opens.", "en", True, is_second=True),
    )
    assert text.rows() == [Row("Ana", lines)]


def test_what_is_spoken_in_whatever_language() -> None:
    text = TileText(("auto",))
    assert text.push(EN) and not text.push(ES)
    assert text.rows() == [Row("Ana", (Line("The harbor opens.", "en", True),))]


def test_what_is_spoken_in_a_language_shown_stands_there_once() -> None:
    text = TileText(("en", "auto"))
    text.push(EN)
    assert text.rows() == [Row("Ana", (Line("The harbor opens.", "en", True),))]


def test_a_newer_revision_replaces_an_older_one_and_no_other_way() -> None:
    text = TileText(("en",))
    assert text.push(replace(EN, revision=3))
    assert not text.push(replace(EN, revision=2, text="The harbour"))
    assert text.push(replace(EN, revision=4, text=""))
    assert text.rows() == []


def test_other_languages_change_nothing() -> None:
    assert not TileText(("de",)).push(ES)


def test_the_newest_sentences_are_kept_in_their_order() -> None:
    text = TileText(("en",))
    for number in (1, 0, *range(2, KEPT_SEGMENTS + 3)):
        text.push(replace(EN, segment_id=number, text=str(number)))
    shown = [row.texts[0].text for row in text.rows()]
    assert shown == [str(number) for number in range(3, KEPT_SEGMENTS + 3)]


def test_a_tile_has_room_for_two_languages() -> None:
    with pytest.raises(ValueError, match="one language or two, got en, es, de"):
        TileText(("en", "es", "de"))
