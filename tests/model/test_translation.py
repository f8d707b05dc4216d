"""Live translation with the embedded model: it goes on from drafts and keeps what is pinned."""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

import surtitle.model.course as course
import surtitle.model.translation as translation
import surtitle.model.verifier.likelihood as likelihood
import surtitle.model.verifier.loading as loading
import surtitle.model.verifier.reading as reading
from surtitle.model.course import PLACE_TOKENS, WARM_STEPS, Candidate, Courses
from surtitle.model.engine.canvas import MAX_CANVAS
from surtitle.model.engine.engine import CanvasRequest, Engine
from surtitle.model.engine.step import DenoisingStep, StepOptions
from surtitle.model.errors import CheckpointError
from surtitle.model.expressions import contains
from surtitle.model.lexicons.stand_ins import Disguise, StandIns
from surtitle.model.network.config import load_sampler_config
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.tokenizer import Direction, TranslationTokenizer
from surtitle.model.network.weights import load_model
from surtitle.model.translation import Answer, Request, Translations
from surtitle.model.verifier.beam_search import decode
from surtitle.model.verifier.causal_layers import CausalLayers
from surtitle.model.verifier.likelihood import log_probabilities
from surtitle.model.verifier.loading import Reader, load_reader, load_verifier

EMBEDDED = Path(translation.__file__).parent / "embedded"
BOTH = [("en", "es"), ("es", "en")]


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return load_model(EMBEDDED)


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return TranslationTokenizer.load(EMBEDDED)


@pytest.fixture(scope="module")
def verifier() -> Denoiser:
    verifier = load_verifier(EMBEDDED, torch.float32, "cpu")
    assert verifier is not None
    return verifier


def answer(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    *requests: Request,
    verifier: Denoiser | None = None,
    reader: Reader | None = None,
) -> list[Answer]:
    sampler = load_sampler_config(EMBEDDED)
    translations = Translations(model, tokenizer, sampler, verifier=verifier, reader=reader)
    return translations.translate(requests)


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
    assert 0 < warm.steps <= WARM_STEPS
    assert set(warm.text.lower().split()) & set(cold.text.lower().split())


def test_a_draft_may_be_longer_than_the_text_asks_for(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    draft = "una palabra y otra " * 80  # more than the largest canvas
    (found,) = answer(model, tokenizer, Request("yes", "en", "es", draft=draft))
    assert found.steps > 0


_TERM = "supercalifragilistica y espialidosa reunion de los marineros gallegos del puerto de Vigo"
TERMS = [  # of 99 letters and blanks each
    f"{number} {_TERM}".ljust(99, "s")
    for number in ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho")
]


@pytest.mark.parametrize("pinned", ["", "Mi hermano"])
@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("required", [["carro volador"], ["luna azul", "luna", "pez"], TERMS])
def test_what_is_required_is_in_the_answer(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    pinned: str,
    writes: bool,
    required: list[str],
) -> None:
    text = "my brother has bought a new car"
    request = Request(text, "en", "es", pinned=pinned, required=tuple(required))
    (found,) = answer(model, tokenizer, request, verifier=verifier if writes else None)
    assert [each for each in required if not contains(found.text, each)] == []
    assert found.text.startswith(pinned)


@pytest.mark.parametrize("required", [["carro volador"], TERMS[:1], TERMS])
@pytest.mark.parametrize("writes", [False, True])
def test_what_is_required_costs_a_bounded_number_of_tokens(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
    writes: bool,
    required: list[str],
) -> None:
    """However many and however long: PLACE_TOKENS are read to find places, and a canvas is denoised
    once more where there is no verifier."""
    tokens = 0

    def count(owner: Any, name: str, size: Callable[..., int]) -> None:
        original = getattr(owner, name)

        def counted(self: Any, *arguments: Any, **named: Any) -> Any:
            nonlocal tokens
            tokens += size(*arguments)
            return original(self, *arguments, **named)

        monkeypatch.setattr(owner, name, counted)

    count(Denoiser, "encode", lambda ids, *_: ids.numel())
    count(Denoiser, "denoise_hidden", lambda canvas, *_: canvas.numel())
    count(CausalLayers, "forward", lambda ids, *_: ids.numel())
    count(DenoisingStep, "__call__", lambda _, shape, *__: shape.canvas_tokens)
    costs: list[int] = []
    for each in ([], required):
        request = Request("my brother has bought a new car", "en", "es", required=tuple(each))
        answer(model, tokenizer, request, verifier=verifier if writes else None)
        costs.append(tokens)
        tokens = 0
    canvas = 0 if writes else WARM_STEPS * MAX_CANVAS
    assert 0 < costs[1] - costs[0] <= PLACE_TOKENS * 1.1 + canvas  # some are padding


def _give(
    monkeypatch: pytest.MonkeyPatch, tokenizer: TranslationTokenizer, texts: Sequence[str]
) -> None:
    """Let there be nothing to choose from but these texts."""

    def candidates(*_: object) -> Generator[Any, Any, tuple[dict[str, Candidate], int]]:
        yield from ()
        return {text: Candidate(tokenizer.answer(text)[:-1]) for text in texts}, 1

    monkeypatch.setattr(Courses, "_candidates", candidates)


def test_the_verifier_chooses(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It prefers what people say to the same words in another order."""
    prompt = tokenizer.prompt("my brother has bought a new car", "en", "es")
    texts = ["Mi hermano coche un ha comprado.", "Mi hermano ha comprado un coche."]
    answers, layers = [tokenizer.answer(text) for text in texts], CausalLayers(verifier)
    other = tokenizer.prompt("where", "en", "es")
    wrong, right, _ = log_probabilities(
        layers, [prompt, prompt, other], [*answers, tokenizer.answer("¿Dónde?")]
    )
    assert list(map(len, (wrong, right))) == list(map(len, answers))
    assert fmean(wrong) < fmean(right) < 0
    alone = [log_probabilities(layers, [prompt], [answer])[0] for answer in answers]
    for one, beside in zip(alone, (wrong, right), strict=True):
        assert one == pytest.approx(beside, abs=1e-4)  # whatever stands beside it
    request = Request("my brother has bought a new car", "en", "es")
    _give(monkeypatch, tokenizer, texts)
    assert answer(model, tokenizer, request, verifier=verifier)[0].text == texts[1]


def test_what_is_read_may_need_several_batches(
    verifier: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = "¿Dónde?", "Mi hermano ha comprado un coche.", "Sí.", "Buenos días.", "No lo sé."
    prompts = [tokenizer.prompt(text, "es", "en") for text in reversed(texts)]
    answers, layers = [tokenizer.answer(text) for text in texts], CausalLayers(verifier)
    together = log_probabilities(layers, prompts, answers)
    monkeypatch.setattr(likelihood, "BATCH_ROWS", 2)
    for one, beside in zip(log_probabilities(layers, prompts, answers), together, strict=True):
        assert one == pytest.approx(beside, abs=1e-4)


@pytest.mark.parametrize(
    ("directions", "best"), [([("en", "es")], "¿Dónde?"), (BOTH, "¿Dónde está?")]
)
def test_who_knows_both_directions_also_asks_what_an_answer_tells(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
    directions: list[Direction],
    best: str,
) -> None:
    tokenizer = tokenizer.with_directions(directions)
    texts, spoken = ["¿Dónde?", "¿Dónde está?"], "where is it"
    forth = {(*tokenizer.prompt(spoken, "en", "es"), *tokenizer.answer(text)) for text in texts}
    back = {
        (*tokenizer.prompt(text, "es", "en"), *tokenizer.answer("Where is it?")) for text in texts
    }
    likely = dict(zip(sorted(forth, key=len), (-1.0, -1.2), strict=True))
    likely |= zip(sorted(back, key=len), (-4.0, -2.0), strict=True)

    def known(
        _: CausalLayers, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        return [[likely[*prompt, *answer]] for prompt, answer in zip(prompts, answers, strict=True)]

    monkeypatch.setattr(reading, "log_probabilities", known)
    _give(monkeypatch, tokenizer, texts)
    asked = [Request(spoken, "en", "es")] * 2
    assert [one.text for one in answer(model, tokenizer, *asked, verifier=verifier)] == 2 * [best]


def test_another_models_verifier_tells_what_was_said(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The embedded model knows no way back, and embedded-many does."""
    said = "The roof of the old house is red."
    texts = ["El tejado es rojo.", "El techo de la vieja casa es rojo."]
    likely = {text: Candidate(tokenizer.answer(text)[:-1], -0.5) for text in texts}

    def candidates(*_: object) -> Generator[Any, Any, tuple[dict[str, Candidate], int]]:
        yield from ()
        return likely, 1

    monkeypatch.setattr(Courses, "_candidates", candidates)
    request = Request(said, "en", "es")
    (alone,) = answer(model, tokenizer, request, verifier=verifier)
    reader = load_reader(EMBEDDED, torch.float32, "cpu")
    assert reader is not None and ("es", "en") in reader.tokenizer.directions
    (read,) = answer(model, tokenizer, request, verifier=verifier, reader=reader)
    assert (alone.text, read.text) == (texts[0], texts[1])


def test_who_knows_the_way_back_needs_no_reader() -> None:
    many = EMBEDDED.with_name("embedded_many")
    assert load_reader(many, torch.float32, "cpu") is None


def test_a_damaged_model_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(folder: Path, *_: object) -> Denoiser:
        raise CheckpointError(f"{folder} is damaged")

    monkeypatch.setattr(loading, "load_verifier", damaged)
    assert load_reader(EMBEDDED, torch.float32, "cpu") is None


def test_a_canvas_starts_from_what_the_verifier_writes(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def first(_: object, __: Request, found: Mapping[str, object]) -> Generator[Any, Any, str]:
        yield from ()
        return next(iter(found))

    monkeypatch.setattr(Courses, "_best", first)
    monkeypatch.setattr(course, "WARM_NOISE", 0)
    monkeypatch.setattr(translation, "ON_CPU", StepOptions())  # in 8 bits, rows share a scale
    started: list[Sequence[int]] = []
    add = Engine.add

    def heard(self: Engine, asked: CanvasRequest) -> int:
        started.append(asked.start)
        return add(self, asked)

    monkeypatch.setattr(Engine, "add", heard)
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    free = Request("my brother has bought a new car", "en", "es")
    pinned = free._replace(pinned="Una casa muy vieja")
    warm = free._replace(draft="Mi hermano tiene")
    found = translations.translate([free, pinned, warm])
    layers = CausalLayers(verifier)
    prompt = tokenizer.prompt(free.text, "en", "es")
    ((own, *_),) = decode(layers, [prompt], 40, beams=translation.VERIFIER_BEAMS)
    assert found[0].text == found[2].text == tokenizer.decode(own.tokens)
    assert found[1].text.startswith("Una casa muy vieja")
    assert [start == own.tokens for start in started].count(True) == 2  # the free, the warm
    assert all(answer.steps <= WARM_STEPS for answer in found)


def test_an_answer_waits_for_no_longer_one_that_came_with_it(
    model: Denoiser, verifier: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    """With all that is shipped: a verifier that writes, a canvas, and a reader of the way back."""
    reader = load_reader(EMBEDDED, torch.float32, "cpu")
    assert reader is not None
    sampler = load_sampler_config(EMBEDDED)
    translations = Translations(model, tokenizer, sampler, verifier=verifier, reader=reader)
    texts = "We want to stay at the sea because the weather is so beautiful.", "Good morning."
    long, short = (translations.add(Request(text, "en", "es")) for text in texts)
    ended: list[int] = []
    steps: list[list[int]] = []
    while len(ended) < 2:
        steps.append([number for number, _ in translations.step()])
        ended += steps[-1]
    assert ended == [short, long]
    assert len(steps) - steps.index([short]) > 4


def test_what_the_verifier_is_asked_for_is_at_work(
    model: Denoiser, verifier: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    number = translations.add(Request("Good morning.", "en", "es"))
    assert not translations.is_idle
    answers: list[tuple[int, Answer]] = []
    while not translations.is_idle:
        answers += translations.step()
    assert [found[0] for found in answers] == [number]


def test_the_log_probabilities_are_those_of_one_pass(
    model: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    prompt, answer = tokenizer.prompt("good morning", "en", "es"), tokenizer.answer("Buenos días.")
    tokens = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        hidden, _ = model.encode(tokens, prompt_tokens=torch.tensor([len(prompt)]))
        log = model.logits(hidden).log_softmax(dim=-1)[0]
    expected = [float(log[len(prompt) - 1 + i, token]) for i, token in enumerate(answer)]
    (found,) = log_probabilities(CausalLayers(model), [prompt], [answer])
    assert found == pytest.approx(expected, abs=1e-4)


def _all(translations: Translations) -> dict[int, Answer | Exception]:
    """What comes of all that is at work."""
    found: dict[int, Answer | Exception] = {}
    while not translations.is_idle:
        found |= dict(translations.step())
    return found


LONG, SHORT = "Because the weather is so beautiful we want to stay at the sea.", "Good morning."


def test_what_cannot_go_on_ends_alone(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here a request's answers cannot be read."""
    decode = TranslationTokenizer.decode
    poison = tokenizer.answer("Una casa muy vieja")[:-1]

    def poisoned(self: TranslationTokenizer, ids: Sequence[int]) -> str:
        assert list(ids[: len(poison)]) != poison, "poisoned"
        return decode(self, ids)

    monkeypatch.setattr(TranslationTokenizer, "decode", poisoned)
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    request = Request(LONG, "en", "es")
    first = translations.add(request)
    bad = translations.add(request._replace(pinned="Una casa muy vieja"))
    last = translations.add(request)
    found = _all(translations)
    assert isinstance(found[bad], AssertionError)
    assert {number for number, one in found.items() if isinstance(one, Answer)} == {first, last}


@pytest.mark.parametrize(
    ("owner", "name", "who"),
    [
        (CausalLayers, "logits", "both"),
        (Engine, "_denoise", "the short one"),
        (translation, "read", "the short one"),
    ],
)
def test_a_pass_that_raises_ends_those_that_share_it(
    model: Denoiser,
    verifier: Denoiser,
    tokenizer: TranslationTokenizer,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    who: str,
) -> None:
    """The short one comes to a canvas while the long one is being written."""
    reader = load_reader(EMBEDDED, torch.float32, "cpu")
    sampler = load_sampler_config(EMBEDDED)
    translations = Translations(model, tokenizer, sampler, verifier=verifier, reader=reader)
    original, faults = getattr(owner, name), [RuntimeError("no memory")]

    def once(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return original(*arguments)

    monkeypatch.setattr(owner, name, once)
    long, short = (translations.add(Request(text, "en", "es")) for text in (LONG, SHORT))
    found = _all(translations)
    assert found.keys() == {long, short}
    failed = {number for number, one in found.items() if isinstance(one, RuntimeError)}
    assert failed == ({long, short} if who == "both" else {short})
    later = translations.translate([Request(text, "en", "es") for text in (LONG, SHORT)])
    assert "tiempo" in later[0].text and later[1].text == "Buenos días."


def test_what_is_translated_together_fails_together(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED))
    requests = [Request(text, "en", "es") for text in (SHORT, LONG)]
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(Engine, "_denoise", _failing)
        translations.translate(requests)
    with pytest.raises(ValueError, match="a text may have 193 tokens"):
        translations.translate([*requests, Request("word " * 300, "en", "es")])
    assert translations.is_idle
    assert len(translations.translate(requests)) == 2


def _failing(*_: object) -> None:
    raise RuntimeError("no memory")


def test_a_text_that_does_not_fit_is_refused_and_not_cut(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CanvasRequest] = []
    add = Engine.add
    monkeypatch.setattr(Engine, "add", lambda self, one: asked.append(one) or add(self, one))
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED))
    most = translations.most_prompt_tokens
    request = Request("x", "en", "es")
    while translations.fits(longer := request._replace(text=request.text + " x")):
        request = longer
    assert len(tokenizer.prompt(request.text, "en", "es")) == most
    with pytest.raises(ValueError, match=f"a text may have {most} tokens, as a prompt, got"):
        translations.add(longer)
    assert translations.is_idle
    translations.add(request)
    assert len(asked[0].prompt) == most and asked[0].size > most


def test_a_text_that_fits_is_not_refused_for_its_disguise(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED))
    longer = Disguise("word " * 300)
    monkeypatch.setattr(StandIns, "disguise", lambda *_: longer)
    (found,) = translations.translate([Request(SHORT, "en", "es")])
    assert found.text


@pytest.mark.parametrize("text", ["🎭", "日本語", "12345", "x" * 180, "<eos><pad>", "\x00\x07"])
def test_hostile_text_does_no_harm_beside_a_verifier(
    model: Denoiser, verifier: Denoiser, tokenizer: TranslationTokenizer, text: str
) -> None:
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    (found,) = translations.translate([Request(text, "en", "es")])
    assert found.steps > 0


def test_rare_names_and_numbers_come_back(
    model: Denoiser, verifier: Denoiser, tokenizer: TranslationTokenizer
) -> None:
    translations = Translations(model, tokenizer, load_sampler_config(EMBEDDED), verifier=verifier)
    free = Request("Gabriela has forty-seven books.", "en", "es")
    pinned = free._replace(pinned="Gabriela tiene muchos")
    first, second = translations.translate([free, pinned])
    assert "Gabriela" in first.text and "cuarenta y siete" in first.text
    assert second.text.startswith("Gabriela tiene muchos")


def test_where_a_term_cannot_come_back_the_text_is_translated_as_it_is(
    model: Denoiser, tokenizer: TranslationTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CanvasRequest] = []
    add = Engine.add
    monkeypatch.setattr(Engine, "add", lambda self, one: asked.append(one) or add(self, one))
    monkeypatch.setattr(Disguise, "restore", lambda *_: None)
    (found,) = answer(model, tokenizer, Request("Gabriela has a book.", "en", "es"))
    prompts = [list(canvas.prompt) for canvas in asked]
    texts = "Mary has a book.", "Gabriela has a book."
    assert prompts == [tokenizer.prompt(text, "en", "es") for text in texts]
    assert found.text
