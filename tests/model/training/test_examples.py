import random
import re
from dataclasses import replace
from itertools import islice

from surtitle.model.network.batches import MAX_TOKENS, Pair, batches, examples
from surtitle.model.network.tokenizer import TranslationTokenizer, train_tokenizer
from surtitle.model.training.examples import endless, varied

PAIRS = [
    pair
    for n in range(50)
    for pair in (
        Pair(f"Sentence number {n}.", f"Frase número {n}.", ("en", "es")),
        Pair(f"Frase número {n}.", f"Sentence number {n}.", ("es", "en")),
    )
]


def tokenizer() -> TranslationTokenizer:
    texts = [pair.source for pair in PAIRS]
    return train_tokenizer(texts, 320, [("en", "es"), ("es", "en")])


def test_batches_hold_every_example_once() -> None:
    words = tokenizer()
    rows = examples(PAIRS, words)
    found = [e for batch in batches(rows, 200, random.Random(0)) for e in batch]
    assert sorted(found, key=str) == sorted(rows, key=str)
    assert all(words.decode(e.answer) == p.target for e, p in zip(rows, PAIRS, strict=True))


def test_long_pairs_are_left_out() -> None:
    long = Pair("word " * 2 * MAX_TOKENS, "palabra", ("en", "es"))
    assert len(examples([long, PAIRS[0]], tokenizer())) == 1


def test_a_prompt_names_the_target_language() -> None:
    words = tokenizer()
    to_spanish, to_english = examples(PAIRS[:2], words)
    assert to_spanish.prompt[1] != to_english.prompt[1]


def test_half_of_the_sources_are_as_spoken() -> None:
    found = varied(PAIRS, random.Random(0))
    assert 0.3 < sum(pair.source[0].islower() for pair in found) / len(found) < 0.7
    assert all(pair.target[0].isupper() for pair in found)


def test_some_sentences_come_in_one_breath_with_the_next_of_their_direction() -> None:
    found = varied(PAIRS, random.Random(0))
    joined = [pair for pair in found if pair.target.count(".") == 2]
    assert len(found) == len(PAIRS) - len(joined)
    assert 3 <= len(joined) <= 20
    for pair in joined:
        assert len(set(re.findall("Frase|Sentence", pair.target))) == 1
        assert re.findall(r"\d+", pair.source) == re.findall(r"\d+", pair.target)


def test_some_names_are_replaced() -> None:
    toms = [Pair("Tom ran.", "Tom corrió.", ("en", "es"))] * 100
    found = varied(toms, random.Random(0))
    assert 30 < sum("Tom" not in pair.target for pair in found) < 80


def test_a_draft_keeps_its_sentence_to_itself() -> None:
    drafts = [replace(pair, draft="Frase") for pair in PAIRS]
    assert len(varied(drafts, random.Random(0))) == len(drafts)


def test_batches_mix_directions_and_epochs_follow() -> None:
    words = tokenizer()
    found = list(islice(endless(PAIRS, words, 400, seed=1), 60))
    assert {epoch for epoch, _ in found} >= {0, 1, 2}
    first = [batch for epoch, batch in found if epoch == 0]
    assert 0.8 * len(PAIRS) <= sum(map(len, first)) <= len(PAIRS)
    assert any(len({example.prompt[1] for example in batch}) == 2 for batch in first)
