import pytest

from surtitle.model.evaluation import evaluate


def test_perfect_answers() -> None:
    scores = evaluate(["One two three four."], ["Uno dos tres cuatro."], ["Uno dos tres cuatro."])
    assert scores.chrf == pytest.approx(100) and scores.bleu == pytest.approx(100)
    assert (scores.empty, scores.looping, scores.copied) == (0, 0, 0)


def test_what_must_not_happen_is_counted() -> None:
    sources = ["Is it far?", "Where are we now?", "Tom", "I know that."]
    answers = [" ", "¿Dónde no no no no?", "Tom", "I know that."]
    scores = evaluate(sources, answers, ["¿Está lejos?", "¿Dónde?", "Tom", "Lo sé."])
    assert (scores.empty, scores.looping, scores.copied) == (25, 25, 25)
