import pytest

from surtitle.model.consensus import likenesses


@pytest.mark.parametrize(
    ("texts", "best"),
    [
        (["El puerto abre."], 0),
        (["El perto abr.", "El puerto abre.", "El puerto abre", "Un gato."], 1),
        (["", "Sí.", "Sí."], 1),
        (["aa", "bb", "cc"], 0),
        (["", ""], 0),
    ],
)
def test_the_text_that_most_others_are_like_is_chosen(texts: list[str], best: int) -> None:
    scores = likenesses(texts)
    assert scores.index(max(scores)) == best
    assert all(0 <= score <= 1 for score in scores)
