import pytest

from surtitle.model.bench.evaluation import LanguageCheck, evaluate


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


SENTENCES = {
    "en": ["I have the book and the cat is on the table.", "Where is the book that he has?"],
    "es": ["Yo tengo el libro y el gato está en la mesa.", "¿Dónde está el libro que él tiene?"],
    "zh": ["我有书，猫在桌子上。", "他的书在哪里？"],
}


@pytest.mark.parametrize(("source", "target"), [("en", "es"), ("es", "en"), ("en", "zh")])
def test_answers_in_the_language_of_the_source_are_seen(source: str, target: str) -> None:
    check = LanguageCheck(SENTENCES[source], SENTENCES[target], source, target)
    assert all(map(check.is_wrong, SENTENCES[source]))
    assert not any(map(check.is_wrong, SENTENCES[target]))
    assert not check.is_wrong("")


def test_a_kept_name_is_no_wrong_language() -> None:
    check = LanguageCheck(["Tom is here."], ["Tom está aquí."], "en", "es")
    assert not check.is_wrong("Tom") and check.is_wrong("Tom is aquí here")
