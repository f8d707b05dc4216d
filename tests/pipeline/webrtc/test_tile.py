from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.webrtc.tile import BACKGROUND, HEIGHT, MARGIN, WIDTH, Picture, draw
from surtitle.pipeline.webrtc.tile_text import Line, Row


def drawn(*rows: Row) -> Picture:
    return draw(rows, "main")


def row(text: str, speaker: str = "", language: str = "en") -> Row:
    return Row(speaker, (Line(text, language, True),))


def inked(picture: Picture) -> np.ndarray:
    """Where something is drawn, below the title."""
    drawn = (picture != np.array(BACKGROUND, np.uint8)).any(axis=2)
    drawn[: 2 * MARGIN] = False
    return drawn


def box(picture: Picture) -> tuple[int, int, int, int]:
    """The left, the top, the right and the bottom of what is drawn."""
    rows, columns = (
        np.flatnonzero(inked(picture).any(axis=1)),
        np.flatnonzero(inked(picture).any(axis=0)),
    )
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def test_text_stands_at_the_bottom_within_the_margins() -> None:
    picture = drawn(row("The harbor opens at six. " * 6, "Ana"))
    left, _, right, bottom = box(picture)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert MARGIN <= left and right < WIDTH - MARGIN
    assert HEIGHT - 2 * MARGIN < bottom < HEIGHT - MARGIN + 1


def test_a_draft_that_grows_in_its_line_does_not_move() -> None:
    short, longer = (drawn(row(text)) for text in ("The", "The hobby"))
    assert box(short)[:2] == box(longer)[:2]


def test_an_older_sentence_for_which_there_is_no_room_is_left_out_whole() -> None:
    rows = [row(f"Sentence {number}. " * 8) for number in range(6)]
    assert np.array_equal(drawn(*rows), drawn(*rows[-3:]))


def test_a_sentence_longer_than_the_tile_shows_its_end() -> None:
    endless = drawn(row("word " * 400))
    assert box(endless)[1] < 3 * MARGIN


def test_arabic_stands_right_and_its_letters_join() -> None:
    joined, apart = (drawn(row(text, language="ar")) for text in ("بببب", "ب ب ب ب"))
    assert box(joined)[2] > WIDTH - 2 * MARGIN and box(joined)[0] > WIDTH // 2
    columns = inked(joined).any(axis=0)
    gaps = np.count_nonzero(np.diff(columns.astype(int)) == 1)
    if np.array_equal(inked(joined), inked(drawn(row("بببب".replace("ب", "ت"))))):
        pytest.skip("no font here has Arabic: apt-get install fonts-dejavu-core")
    assert gaps == 1 and not np.array_equal(joined, apart)


def test_markup_in_a_text_is_text() -> None:
    marked, plain = drawn(row("<b>a</b> & b")), drawn(row("a & b"))
    assert box(marked)[2] > box(plain)[2]


def test_control_characters_do_no_harm() -> None:
    draw((row("a\x00b\x1bc\ud800"),), "\n")


def test_a_name_stands_where_another_speaks_and_at_the_top() -> None:
    ana, again, ben = row("One.", "Ana"), row("Two.", "Ana"), row("Three.", "Ben")
    unnamed = row("Two.")
    assert np.array_equal(drawn(ana, again, ben), drawn(ana, unnamed, ben))
    assert not np.array_equal(drawn(ana, again, ben), drawn(ana, row("Two.", "Ben"), ben))
    many = [row(f"Sentence {number}. " * 8, "Ana") for number in range(6)]
    assert np.array_equal(drawn(*many), drawn(*many[-3:]))


def test_the_other_language_stands_smaller_also_before_the_first_is_there() -> None:
    second = Row("", (Line("The harbor opens.", "en", True, is_second=True),))
    assert box(drawn(second))[2] < box(drawn(row("The harbor opens.")))[2]
