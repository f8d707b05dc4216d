"""Live translation with the embedded model: it goes on from drafts and keeps what is pinned."""

from pathlib import Path

import pytest
import torch

import surtitle.model.translation as translation
from surtitle.model.beam_search import decode
from surtitle.model.config import load_sampler_config
from surtitle.model.consensus import likenesses
from surtitle.model.denoiser import Denoiser
from surtitle.model.tokenizer import TranslationTokenizer
from surtitle.model.translation import Answer, Request, Translations
from surtitle.model.verifier import load_verifier, mean_log_probabilities
from surtitle.model.weights import load_model

EMBEDDED = Path(translation.__file__).parent / "embedded"


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return load_model(EMBEDDED)


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return TranslationTokenizer.load(EMBEDDED)


def answer(model: Denoiser, tokenizer: TranslationTokenizer, *requests: Request) -> list[Answer]:
    return Translations(model, tokenizer, load_sampler_config(EMBEDDED)).translate(requests)


def test_a_pinned_beginning_stands_and_is_gone_on_from(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    pinned = "Una casa muy vieja"
    request = Request("my brother has bought a new car", "en", "es", pinned=pinned)
    (found,) = answer(model, tokenizer, request)
    assert found.text.startswith(pinned)
    assert len(found.text) > len(pinned)
    assert not found.text[len(pinned)].isalnum()  # the last pinned word ends there


def test_rows_with_and_without_pins_share_a_batch(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    text = "my brother has bought a new car"
    plain, pinned = answer(
        model, tokenizer, Request(text, "en", "es"), Request(text, "en", "es", pinned="Una casa")
    )
    assert not plain.text.startswith("Una casa")
    assert pinned.text.startswith("Una casa")


def test_a_warm_start_takes_few_steps(model: Denoiser, tokenizer: TranslationTokenizer) -> None:
    text = "my brother has bought a new car"
    (cold,) = answer(model, tokenizer, Request(text, "en", "es"))
    (warm,) = answer(model, tokenizer, Request(text, "en", "es", draft=cold.text))
    assert 0 < warm.steps <= translation.WARM_STEPS
    assert set(warm.text.lower().split()) & set(cold.text.lower().split())


def test_a_draft_may_be_longer_than_the_text_asks_for(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    draft = "una palabra y otra " * 80  # more than the largest canvas
    (found,) = answer(model, tokenizer, Request("yes", "en", "es", draft=draft))
    assert found.steps > 0


@pytest.mark.parametrize("pinned", ["", "Mi hermano"])
def test_a_required_expression_is_in_the_answer(
    model: Denoiser, tokenizer: TranslationTokenizer, pinned: str
) -> None:
    text, expression = "my brother has bought a new car", "carro volador"
    request = Request(text, "en", "es", pinned=pinned, required=(expression,))
    (found,) = answer(model, tokenizer, request)
    assert translation.contains(found.text, expression)
    assert found.text.startswith(pinned)


def test_the_answer_is_one_of_several_candidates(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    text = "the old man on the corner sells red and yellow apples in the evening"
    heard: list[int] = []

    def ask(*requests: Request) -> list[str]:
        translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), seed=4)
        return [answer.text for answer in translations.translate(requests, heard.append)]

    alone = ask(*[Request(text, "en", "es")] * 3)  # the same draws
    scores = likenesses(alone)
    best = alone[scores.index(max(scores))]
    assert ask(Request(text, "en", "es", candidates=3)) == [best]
    assert heard[-2:] == [3, 1]  # three candidates are one answer


def test_the_verifier_has_a_say(model: Denoiser, tokenizer: TranslationTokenizer) -> None:
    """It prefers what people say to the same words in another order, and so does the choice."""
    verifier = load_verifier(EMBEDDED, torch.float32, "cpu")
    assert verifier is not None
    prompt = tokenizer.prompt("my brother has bought a new car", "en", "es")
    texts = ["Mi hermano coche un ha comprado.", "Mi hermano ha comprado un coche."]
    answers = [tokenizer.answer(text) for text in texts]
    wrong, right = mean_log_probabilities(verifier, prompt, answers)
    assert wrong < right < 0
    alone = [mean_log_probabilities(verifier, prompt, [answer])[0] for answer in answers]
    assert alone == pytest.approx([wrong, right], abs=1e-4)  # whatever stands beside it
    config = load_sampler_config(EMBEDDED)
    request = Request("my brother has bought a new car", "en", "es")
    chosen = Translations(model, tokenizer, config, verifier=verifier)._best(request, texts)
    assert chosen == texts[1]
    assert Translations(model, tokenizer, config)._best(request, texts) == texts[0]  # both alike


def test_the_verifier_writes_a_candidate_that_goes_on_from_what_is_pinned(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = load_verifier(EMBEDDED, torch.float32, "cpu")
    assert verifier is not None
    texts: list[list[str]] = []
    monkeypatch.setattr(
        Translations, "_best", lambda _, request, found: texts.append(found) or found[-1]
    )
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    prompt = tokenizer.prompt("my brother has bought a new car", "en", "es")
    (own,) = decode(verifier, [prompt], 40)
    free = Request("my brother has bought a new car", "en", "es", candidates=2)
    pinned = free._replace(pinned="Una casa muy vieja")
    found = translations.translate([free, pinned, free._replace(candidates=1)])
    assert found[0].text == tokenizer.decode(own.tokens)
    assert found[1].text.startswith("Una casa muy vieja")
    assert sorted(map(len, texts)) == [2, 3, 3]


def test_the_mean_log_probability_is_that_of_one_pass(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    prompt, answer = tokenizer.prompt("good morning", "en", "es"), tokenizer.answer("Buenos días.")
    tokens = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        hidden, _ = model.encode(tokens, prompt_tokens=torch.tensor([len(prompt)]))
        log = model.logits(hidden).log_softmax(dim=-1)[0]
    expected = [float(log[len(prompt) - 1 + i, token]) for i, token in enumerate(answer)]
    (found,) = mean_log_probabilities(model, prompt, [answer])
    assert found == pytest.approx(sum(expected) / len(expected), abs=1e-4)


@pytest.mark.parametrize("text", ["🎭", "日本語", "12345", "x" * 3000, "<eos><pad>", "\x00\x07"])
def test_hostile_text_does_no_harm_to_several_candidates(
    model: Denoiser, tokenizer: TranslationTokenizer, text: str
) -> None:
    (found,) = answer(model, tokenizer, Request(text, "en", "es", candidates=8))
    assert found.steps > 0


def test_rare_names_and_numbers_come_back(model: Denoiser, tokenizer: TranslationTokenizer) -> None:
    verifier = load_verifier(EMBEDDED, torch.float32, "cpu")
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    free = Request("Gabriela has forty-seven books.", "en", "es")
    pinned = free._replace(pinned="Gabriela tiene muchos")
    first, second = translations.translate([free, pinned])
    assert "Gabriela" in first.text and "cuarenta y siete" in first.text
    assert second.text.startswith("Gabriela tiene muchos")


def test_where_a_term_cannot_come_back_the_text_is_translated_as_it_is(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    prompt = TranslationTokenizer.prompt
    monkeypatch.setattr(TranslationTokenizer, "prompt", lambda *a: asked.append(a[1]) or prompt(*a))
    monkeypatch.setattr(translation.Disguise, "restore", lambda *_: None)
    (found,) = answer(model, tokenizer, Request("Gabriela has a book.", "en", "es"))
    assert list(dict.fromkeys(asked)) == ["Mary has a book.", "Gabriela has a book."]
    assert found.text
