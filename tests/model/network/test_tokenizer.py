from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from surtitle.model.errors import CheckpointError
from surtitle.model.network.tokenizer import TranslationTokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return train_tokenizer(["the cat", "el gato"], 300, [("en", "es")])


def test_prompt_carries_the_target(tokenizer: TranslationTokenizer) -> None:
    ids = tokenizer.prompt("the cat", "en", "es")
    assert ids[0] == 2 and ids[-1] == 3  # bos, turn
    assert tokenizer.decode(ids) == "the cat"


@pytest.mark.parametrize("text", ["el gato", "¿Qué? 日本 🎭", "<eos> <pad>"])
def test_any_text_comes_back(tokenizer: TranslationTokenizer, text: str) -> None:
    ids = tokenizer.answer(text)
    assert ids[-1] == 1
    if "<" not in text:
        assert tokenizer.decode(ids) == text


def test_equal_tokens_side_by_side_become_one_but_digits_stay(
    tokenizer: TranslationTokenizer,
) -> None:
    ids = tokenizer.answer("xzzzy 1933")
    assert tokenizer.decode(tokenizer.merge_repeats(ids)) == "xzy 1933"


def test_saved_and_loaded(tokenizer: TranslationTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = TranslationTokenizer.load(tmp_path)
    assert loaded.directions == (("en", "es"),)
    assert loaded.prompt("the cat", "en", "es") == tokenizer.prompt("the cat", "en", "es")


def test_tokens_are_spelled_by_those_of_another_vocabulary(
    tokenizer: TranslationTokenizer,
) -> None:
    german = train_tokenizer(["the cat", "die Katze"], 300, [("en", "de")])
    spelled = german.spelled_by(tokenizer)
    assert len(spelled) == german.vocab_size
    for token, ids in enumerate(spelled):
        if token == german.prompt("", "en", "de")[1]:
            assert ids == [tokenizer.prompt("", "en", one)[1] for one in ("en", "es")]
        else:
            assert tokenizer.decode(ids) == german.decode([token])
    assert any(len(ids) > 3 for ids in spelled)


def test_missing_files_are_named(tokenizer: TranslationTokenizer, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="tokenizer.json is missing"):
        TranslationTokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    (tmp_path / "directions.json").unlink()
    with pytest.raises(CheckpointError, match="directions.json must name"):
        TranslationTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match="tokenizer.json is damaged"):
        TranslationTokenizer.load(tmp_path)


def test_a_chat_model_gets_the_request_in_words(tmp_path: Path) -> None:
    specials = ["<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>"]
    library = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    library.add_special_tokens(specials)
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TranslationTokenizer.load(tmp_path)
    assert ("en", "ja") in tokenizer.directions and ("es", "en") in tokenizer.directions
    ids = tokenizer.prompt("the cat", "en", "es")
    assert ids[0] == library.token_to_id("<bos>") and ids[-1] == library.token_to_id("<channel|>")
