import random

from surtitle.model.network.batches import Pair
from surtitle.model.training.distillation import repeats, units


def test_repeats_are_found() -> None:
    assert repeats("El el gato.") and repeats("para mí, para mí en el correo")
    assert not repeats("El gato y el perro.") and not repeats("")


def test_units_have_all_pairs_and_a_share_of_other_text() -> None:
    pairs = [Pair(f"This is sentence {n} of many", f"frase {n}", ("en", "es")) for n in range(400)]
    others = [f"text {n}" for n in range(1000)]
    found = units([*pairs, pairs[0]], [*others, pairs[0].source], random.Random(0))
    translated = {unit.text: unit.reference for unit in found if unit.reference}
    assert translated == {pair.source: pair.target for pair in pairs}
    assert len(found) - len(translated) == 200
    cut = [unit for unit in found if unit.beginnings]
    assert 20 < len(cut) < 90
    assert all(u.text.startswith(u.beginnings[1]) for u in cut)
    assert all(u.beginnings[1].startswith(u.beginnings[0]) for u in cut)
