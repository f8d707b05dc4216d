"""Live translation with the embedded model: it goes on from drafts and keeps what is pinned."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

import surtitle.model.translation as translation
from surtitle.model.engine.engine import CanvasRequest, Engine
from surtitle.model.engine.layers import FlatBatch, FlatLayers
from surtitle.model.engine.step import StepOptions
from surtitle.model.engine.verified import AnswerRequest, VerifiedEngine
from surtitle.model.expressions import contains
from surtitle.model.installed import EMBEDDED
from surtitle.model.network.config import CANVAS, DECODINGS, load_sampler_config
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.tokenizer import TranslationTokenizer
from surtitle.model.network.weights import load_model
from surtitle.model.translation import PLACE_TOKENS, WARM_STEPS, Answer, Request, Translations

SAMPLER = load_sampler_config(EMBEDDED)
LONG, SHORT = "Because the weather is so beautiful we want to stay at the sea.", "Good morning."
CAR = Request("my brother has bought a new car", "en", "es")


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return load_model(EMBEDDED)


@pytest.fixture(scope="module")
def tokenizer() -> TranslationTokenizer:
    return TranslationTokenizer.load(EMBEDDED)


Open = Callable[..., Translations]


@pytest.fixture(scope="module")
def opened(model: Denoiser, tokenizer: TranslationTokenizer) -> Open:
    def opened(decoding: str = SAMPLER.decoding) -> Translations:
        return Translations(model, tokenizer, replace(SAMPLER, decoding=decoding, margin=0.0))

    return opened


def test_the_embedded_model_drafts_and_verifies() -> None:
    assert SAMPLER.decoding != CANVAS


@pytest.mark.parametrize("decoding", DECODINGS)
def test_a_pinned_beginning_stands_and_is_gone_on_from(opened: Open, decoding: str) -> None:
    pinned = "Una casa muy vieja"
    plain, found = opened(decoding).translate([CAR, CAR._replace(pinned=pinned)])
    assert not plain.text.startswith(pinned)
    assert found.text.startswith(pinned) and len(found.text) > len(pinned)
    assert not found.text[len(pinned)].isalnum()  # the last pinned word ends there


@torch.inference_mode()
def greedy(model: Denoiser, tokenizer: TranslationTokenizer, request: Request) -> list[int]:
    """What the causal stack writes from left to right."""
    prompt, written = tokenizer.prompt(request.text, request.source, request.target), list[int]()
    while not written or written[-1] not in model.config.eos_token_ids:
        tokens = torch.tensor([[*prompt, *written]])
        hidden, _ = model.encode(tokens, prompt_tokens=torch.tensor([len(prompt)]))
        written.append(int(model.logits(hidden[0, -1]).argmax()))
    return written


def test_an_answer_is_that_of_greedy_decoding_in_fewer_passes(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    opened: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alone and beside others, with a draft and without."""
    monkeypatch.setattr(translation, "ON_CPU", StepOptions())
    texts = [SHORT, LONG, "Where is the station?", "I would like a cup of coffee with milk."]
    asked = [Request(text, "en", "es") for text in texts]
    asked += [Request(SHORT, "en", "de"), asked[1]._replace(draft="Como el tiempo es muy bueno")]
    found = opened().translate(asked)
    written = [greedy(model, tokenizer, request) for request in asked]
    assert [answer.text for answer in found] == [tokenizer.decode(tokens) for tokens in written]
    assert [answer.tokens for answer in found] == [len(tokens) for tokens in written]
    assert sum(answer.passes for answer in found) < sum(map(len, written))
    (alone,) = opened().translate(asked[1:2])
    assert alone.text == found[1].text


def test_the_answer_to_the_same_text_is_a_draft_that_is_read_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        translation, "ON_CPU", StepOptions()
    )  # in 8 bits, what is read shares a scale
    translations = opened()
    (first,) = translations.translate([CAR])
    (again,) = translations.translate([CAR._replace(draft=first.text)])
    assert again == Answer(first.text, first.tokens, 1)


def test_a_warm_canvas_takes_few_steps(opened: Open) -> None:
    (cold,) = opened(CANVAS).translate([CAR])
    (warm,) = opened(CANVAS).translate([CAR._replace(draft=cold.text)])
    assert 0 < warm.passes <= WARM_STEPS
    assert set(warm.text.lower().split()) & set(cold.text.lower().split())


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("field", ["draft", "pinned"])
def test_a_draft_may_be_longer_than_the_text_asks_for(
    opened: Open, decoding: str, field: str
) -> None:
    long = ("una palabra y otra " * 80).strip()  # more than the largest canvas
    (found,) = opened(decoding).translate([Request("yes", "en", "es")._replace(**{field: long})])
    assert found.text.startswith(long) if field == "pinned" else found.text


_TERM = "supercalifragilistica y espialidosa reunion de los marineros gallegos del puerto de Vigo"
TERMS = [  # of 99 letters and blanks each
    f"{number} {_TERM}".ljust(99, "s")
    for number in ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho")
]


@pytest.mark.parametrize("pinned", ["", "Mi hermano"])
@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("required", [["carro volador"], ["luna azul", "luna", "pez"], TERMS])
def test_what_is_required_is_in_the_answer(
    opened: Open, decoding: str, pinned: str, required: list[str]
) -> None:
    request = CAR._replace(pinned=pinned, required=tuple(required))
    (found,) = opened(decoding).translate([request])
    assert [each for each in required if not contains(found.text, each)] == []
    assert found.text.startswith(pinned)


@pytest.mark.parametrize("required", [["carro volador"], TERMS[:1], TERMS])
def test_what_is_required_costs_a_bounded_number_of_tokens(
    opened: Open, monkeypatch: pytest.MonkeyPatch, required: list[str]
) -> None:
    """However many and however long: PLACE_TOKENS are read to find places."""
    tokens = 0
    forward = FlatLayers.forward

    def counted(self: FlatLayers, x: Any, batch: FlatBatch, arena: Any) -> Any:
        nonlocal tokens
        tokens += len(x)
        return forward(self, x, batch, arena)

    monkeypatch.setattr(FlatLayers, "forward", counted)
    costs: list[int] = []
    for each in ([], required):
        tokens = 0
        opened().translate([CAR._replace(required=tuple(each))])
        costs.append(tokens)
    assert 0 < costs[1] - costs[0] <= PLACE_TOKENS


def test_of_the_places_of_an_expression_the_likeliest_is_taken(opened: Open) -> None:
    """It prefers what people say to the same words in another order."""
    request = Request("The dog is in the garden.", "en", "es", required=("perro",))
    translations = opened()
    (plain,) = translations.translate([request])
    without = plain.text.replace("perro ", "")
    assert "perro" in plain.text and "perro" not in without
    (found,) = translations.translate([request._replace(draft=without)])
    assert found.text == plain.text


def _all(translations: Translations) -> dict[int, Answer | Exception]:
    """What comes of all that is at work."""
    found: dict[int, Answer | Exception] = {}
    while not translations.is_idle:
        found |= dict(translations.step())
    return found


def test_an_answer_waits_for_no_longer_one_that_came_with_it(opened: Open) -> None:
    translations = opened()
    long, short = (translations.add(Request(text, "en", "es")) for text in (LONG, SHORT))
    assert list(_all(translations)) == [short, long]


@pytest.mark.parametrize("required", [(), ("carro volador",)])
def test_what_cannot_go_on_ends_alone(
    tokenizer: TranslationTokenizer,
    opened: Open,
    monkeypatch: pytest.MonkeyPatch,
    required: tuple[str, ...],
) -> None:
    """Here a request's answer cannot be decoded, or its places cannot be found."""
    decode = TranslationTokenizer.decode
    poison = tokenizer.answer("Una casa muy vieja")[:-1]

    def poisoned(self: TranslationTokenizer, ids: Sequence[int]) -> str:
        assert list(ids[: len(poison)]) != poison, "poisoned"
        return decode(self, ids)

    monkeypatch.setattr(TranslationTokenizer, "decode", poisoned)
    translations = opened()
    request = Request(LONG, "en", "es", required=required)
    first = translations.add(request)
    bad = translations.add(request._replace(pinned="Una casa muy vieja"))
    last = translations.add(request)
    found = _all(translations)
    assert isinstance(found[bad], AssertionError)
    assert {number for number, one in found.items() if isinstance(one, Answer)} == {first, last}


@pytest.mark.parametrize(
    ("decoding", "owner", "name"),
    [(DECODINGS[0], Engine, "_denoise"), (DECODINGS[1], VerifiedEngine, "_run")],
)
@pytest.mark.parametrize("nth", [1, 3])
def test_a_pass_that_raises_ends_those_that_share_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch, decoding: str, owner: Any, name: str, nth: int
) -> None:
    translations = opened(decoding)
    original, calls = getattr(owner, name), 0

    def once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise RuntimeError("no memory")
        return original(*arguments)

    monkeypatch.setattr(owner, name, once)
    asked = [translations.add(Request(text, "en", "es")) for text in (LONG, LONG)]
    found = _all(translations)
    assert found.keys() == set(asked)
    assert all(isinstance(one, RuntimeError) for one in found.values())
    later = translations.translate([Request(text, "en", "es") for text in (LONG, SHORT)])
    assert all(answer.text for answer in later)


def test_a_request_whose_places_were_lost_has_failed_whole(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its rows some have begun and others wait: it is told of once, and the next go on."""
    translations = opened()
    run, reading = VerifiedEngine._run, False

    def failing(self: VerifiedEngine, sizes: Sequence[int], reads: Sequence[Any]) -> Any:
        nonlocal reading
        if len(reads) > 5 and not reading:
            reading = True
            raise RuntimeError("no memory")
        return run(self, sizes, reads)

    monkeypatch.setattr(VerifiedEngine, "_run", failing)
    bad = translations.add(CAR._replace(required=("carro volador",)))
    found = _all(translations)
    assert reading and isinstance(found[bad], RuntimeError)
    assert len(translations.translate([CAR, CAR])) == 2


def test_what_is_translated_together_fails_together(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    translations = opened()
    requests = [Request(text, "en", "es") for text in (SHORT, LONG)]
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(VerifiedEngine, "_run", _failing)
        translations.translate(requests)
    with pytest.raises(ValueError, match="a text may have 193 tokens"):
        translations.translate([*requests, Request("word " * 300, "en", "es")])
    assert translations.is_idle
    assert len(translations.translate(requests)) == 2


def _failing(*_: object) -> None:
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("decoding", "engine"), [(DECODINGS[0], Engine), (DECODINGS[1], VerifiedEngine)]
)
def test_a_text_that_does_not_fit_is_refused_and_not_cut(
    tokenizer: TranslationTokenizer,
    opened: Open,
    monkeypatch: pytest.MonkeyPatch,
    decoding: str,
    engine: type[Engine] | type[VerifiedEngine],
) -> None:
    asked: list[CanvasRequest | AnswerRequest] = []
    add = engine.add
    monkeypatch.setattr(engine, "add", lambda self, one: asked.append(one) or add(self, one))
    translations = opened(decoding)
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


@pytest.mark.parametrize("text", ["🎭", "日本語", "12345", "x" * 60, "<eos><pad>", "\x00\x07"])
def test_hostile_text_does_no_harm(opened: Open, text: str) -> None:
    (found,) = opened().translate([Request(text, "en", "es")])
    assert found.passes > 0
