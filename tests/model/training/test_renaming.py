from __future__ import annotations

import random
import re

import pytest

from surtitle.model.network.batches import Pair
from surtitle.model.training.renaming import renamed


def variants(source: str, target: str, draft: str = "") -> list[Pair]:
    rng = random.Random(0)
    return [renamed(Pair(source, target, ("en", "es"), draft), rng) for _ in range(30)]


def test_a_name_gives_way_on_both_sides_and_in_the_draft() -> None:
    found = variants("Tom's dog saw Tom run.", "El perro vio correr a Tom.")
    assert {pair.source for pair in found} == {"Tom's dog saw Tom run."}  # it stands twice there
    found = variants("I saw Tom run.", "Vi correr a Tom.", "Vi a Tom")
    names = {pair.source.removeprefix("I saw ").removesuffix(" run.") for pair in found}
    assert len(names) > 20 and all(re.fullmatch("[A-Z][a-z]+", name) for name in names)
    for pair in found:
        name = pair.source.split()[2]
        assert (pair.target, pair.draft) == (f"Vi correr a {name}.", f"Vi a {name}")


def test_a_number_gives_way_to_one_of_as_many_digits() -> None:
    found = variants("It was 1999.", "Era 1999.")
    assert len({pair.source for pair in found}) > 20
    for pair in found:
        (year,) = re.findall(r"\d+", pair.source)
        assert len(year) == 4 and pair.target == f"Era {year}."


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("The hotel is big.", "El hotel es grande."),  # no name
        ("I'm here.", "I bin da."),  # one letter
        ("It costs 3.5 euros.", "Cuesta 3,5 euros."),  # written in another way
        ("NATO met.", "NATO se reunió."),
        ("Tom ran.", "Él corrió."),
    ],
)
def test_the_rest_stays(source: str, target: str) -> None:
    assert {(pair.source, pair.target) for pair in variants(source, target)} == {(source, target)}
