from __future__ import annotations

import pytest

from surtitle.model.bench.passes import count_passes
from surtitle.model.translation import Answer

ANSWERS = [Answer("", 1, 1), Answer("", 7, 3), Answer("", 8, 4), Answer("", 20, 5)]


def test_rounds_and_passes_by_length() -> None:
    line = count_passes(ANSWERS, "en-es", "tatoeba", "written", "us")
    assert [(part.least, part.most, part.answers) for part in line.by_length] == [
        (1, 7, 2),
        (8, 20, 2),
    ]
    short, long = line.by_length
    # The first pass of each commits a token, and ends no round.
    assert (short.per_round, short.per_pass) == (6 / 2, 8 / 4)
    assert (long.per_round, long.per_pass) == (26 / 7, 28 / 9)
    assert (long.passes, long.greedy_passes) == (4.5, 14)
    assert line.together.answers == 4 and line.together.per_round == pytest.approx(32 / 9)
    assert "2 answers of 8 to 20 tokens: committed 3.71 a round, 3.11 a pass" in str(line)
    assert str(line).splitlines()[0].endswith("us")


def test_answers_of_one_pass_have_no_round() -> None:
    line = count_passes(ANSWERS[:1], "en-es", "tatoeba", "written", "us")
    assert line.together.per_round == 0 and line.together.per_pass == 1
