import pytest

from surtitle.model.evaluation import evaluate


def test_perfect_answers() -> None:
    scores = evaluate(["One."], ["Uno dos tres cuatro."], ["Uno dos tres cuatro."], "es")
    assert scores.chrf == pytest.approx(100) and scores.bleu == pytest.approx(100)
    assert (scores.empty, scores.looping, scores.copied) == (0, 0, 0)


def test_what_must_not_happen_is_counted() -> None:
    sources = ["Is it far?", "Where are we now?", "Tom", "I know that."]
    answers = [" ", "¿Dónde no no no no?", "Tom", "I know that."]
    scores = evaluate(sources, answers, ["¿Está lejos?", "¿Dónde?", "Tom", "Lo sé."], "es")
    assert (scores.empty, scores.looping, scores.copied) == (1, 1, 1)


def test_bleu_parts_chinese_without_spaces() -> None:
    scores = evaluate(["It is nine."], ["现在是九点了。"], ["现在是九点。"], "zh")
    assert 40 < scores.bleu < 100 and "tok:zh" in scores.signatures[0]
