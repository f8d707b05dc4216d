"""Before translators that garble numbers, marks and addresses in known ways, nothing changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from surtitle.pipeline.bench.amount_sentences import amount_sentences
from surtitle.pipeline.captions.track import MIN_DRAFT_WORDS, CaptionTrack
from surtitle.pipeline.config import TranslatorConfig
from surtitle.pipeline.errors import DraftWithheld, TranslatorError
from surtitle.pipeline.events import SourceSegment, TranslationRequest, Word
from surtitle.pipeline.translators import open_translator
from surtitle.pipeline.translators.keeping import Habits, KeepingTranslator, kept

Answer = Callable[[TranslationRequest], str]


def _copy(request: TranslationRequest) -> str:
    return request.text


def _no_decimals(request: TranslationRequest) -> str:
    """Knows whole numbers alone."""
    return re.sub(r"\d+(?:[.,:/-]\d+)+", "77", request.text)


def _doubling(request: TranslationRequest) -> str:
    return re.sub(r"\d+", r"\g<0> \g<0>", request.text)


def _forgetting(request: TranslationRequest) -> str:
    return re.sub(r"\d+", "", request.text)


def _inventing(request: TranslationRequest) -> str:
    return f"5 {request.text} 1,000"


def _in_lower_case_without_signs(request: TranslationRequest) -> str:
    return " ".join(re.sub(r"[^\w\s.,]", " ", request.text.lower()).split())


def _unknown_characters(request: TranslationRequest) -> str:
    return re.sub(r"[^\x20-\x7e]|[\[\]<>{}@/]", "x", request.text)


def _swapping(request: TranslationRequest) -> str:
    """The digits of each number the other way round."""
    return re.sub(r"\d+", lambda found: found[0][::-1], request.text)


BACKENDS = [
    _copy,
    _no_decimals,
    _doubling,
    _forgetting,
    _inventing,
    _in_lower_case_without_signs,
    _unknown_characters,
    _swapping,
]
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def translate(
    request: TranslationRequest, backend: Answer, habits: Habits | None = None
) -> tuple[str, list[TranslationRequest]]:
    """The answer, and what the backend was asked."""
    course = kept(request, habits or Habits())
    asked: list[TranslationRequest] = []
    try:
        asked.append(next(course))
        while True:
            asked.append(course.send(backend(asked[-1])))
    except StopIteration as end:
        return end.value, asked


@each_backend
@pytest.mark.parametrize("target", ["es", "de"])
def test_no_sentence_of_the_grammar_changes_its_amounts(backend: Answer, target: str) -> None:
    habits = Habits()
    for sentence in amount_sentences(target, 120):
        answer, _ = translate(TranslationRequest(sentence.text, "en", target), backend, habits)
        assert sentence.is_kept_in(answer), (sentence.text, answer)


HOSTILE = [  # and what must be found in their translations
    ("I love dogs! 🐶", "🐶"),
    ("I ❤ my 🐶 and my 🐱", "❤ 🐶 🐱"),
    ("♪ I love you ♪", "♪ ♪"),
    ("[Music] Hello", "[Music]"),
    ("Hello [door closes] there", "[door closes]"),
    ("- Yes.", "- "),
    ("ANNA: Where are you?", "ANNA:"),
    ("<i>Where is the station?</i>", "<i> </i>"),
    ("Where <b>is</b> the station?", "<b> </b>"),
    ("{\\an8}Where is it?", "{\\an8}"),
    ("Go to www.example.com.", "www.example.com"),
    ("Write to anna@example.org by 5:30 p.m.", "anna@example.org 5:30"),
    ("Open https://example.com/a_b?c=1,200 and read it", "https://example.com/a_b?c=1,200"),
    ("See /etc/hosts/a or notes.txt now", "/etc/hosts/a notes.txt"),
    ("I like it #dogs", "#dogs"),
    ("At 00:01:02,500 the music stops", "00:01:02,500"),
    ("Python 3.12 and the A380", "3.12 A380"),
    ("It costs $1,200. She paid €5! And 3.5% more.", "$1.200 €5 3,5%"),
]


@each_backend
@pytest.mark.parametrize(("text", "wanted"), HOSTILE)
def test_what_passes_through_is_there_whatever_translates(
    backend: Answer, text: str, wanted: str
) -> None:
    answer, _ = translate(TranslationRequest(text, "en", "es"), backend)
    for each in wanted.split():
        assert answer.count(each) == wanted.split().count(each), answer


@pytest.mark.parametrize("text", ["", "♪", "[Music]", "🐶", "1,200", "<i></i>", "www.a.com"])
def test_nothing_is_asked_where_nothing_can_be_translated(text: str) -> None:
    assert translate(TranslationRequest(text, "en", "es"), _inventing) == (text, [])


def test_what_is_right_is_asked_for_once() -> None:
    text = "- It costs $1,200. 🐶"
    answer, asked = translate(TranslationRequest(text, "en", "es"), _copy)
    assert answer == "- It costs $1.200. 🐶"
    assert [request.text for request in asked] == ["It costs $1,200."]


def test_amounts_come_back_in_the_places_of_small_whole_numbers() -> None:
    text = "It fell by 3.5% to $1,200 on the 2nd day of 1999."
    answer, asked = translate(TranslationRequest(text, "en", "es"), _no_decimals)
    assert answer == "It fell by 3,5% to $1.200 on the 2 day of 1999."
    assert [request.text for request in asked] == [
        text,
        "It fell by 20 percent to 30 dollars on the 40th day of 1990.",
    ]


@pytest.mark.parametrize(
    ("text", "disguised", "answer"),
    [
        ("It costs $1,200.", "Cuesta veinte dólares.", "Cuesta $1.200."),
        ("It costs $1,200.", "Cuesta 20 $.", "Cuesta $1.200."),
        ("It costs $1,200.", "Cuesta 20.", "Cuesta $1.200."),
        ("It has 1.5 GB.", "Tiene 20 kilogramos.", "Tiene 1,5 GB."),
        ("It rose by 3.5%.", "Subió un 20 por ciento.", "Subió un 3,5%."),
    ],
)
def test_stand_ins_may_come_back_in_other_words(text: str, disguised: str, answer: str) -> None:
    answers = iter(["77", disguised])
    request = TranslationRequest(text, "en", "es")
    assert translate(request, lambda _: next(answers))[0] == answer


def test_stand_ins_with_other_units_are_not_taken() -> None:
    words = {"He drove 20 miles": "Condujo 20 millas.", "in 20 hours.": "En 20 horas."}
    request = TranslationRequest("He drove 35.9 miles in 2.5 hours.", "en", "es")
    answer, _ = translate(request, lambda each: words.get(each.text, "En 30 horas veinte horas."))
    assert answer == "Condujo 35,9 millas en 2,5 horas."


def test_a_unit_that_always_becomes_another_is_written_as_its_sign() -> None:
    request = TranslationRequest("He drove 35.9 miles today.", "en", "es")
    words = {"He drove": "Condujo.", "today": "Hoy."}
    answer, _ = translate(request, lambda each: words.get(each.text, "Condujo 20 kilómetros hoy."))
    assert answer == "Condujo 35,9 mi hoy."


@pytest.mark.parametrize("disguised", ["Cuesta dos 20 dólares.", "Cuesta 20 o 30.", "Cuesta 20 €."])
def test_what_comes_with_a_number_more_is_not_taken(disguised: str) -> None:
    answers = iter(["77", disguised, "Cuesta."])
    request = TranslationRequest("It costs $1,200.", "en", "es")
    assert translate(request, lambda _: next(answers))[0] == "Cuesta $1.200."


def test_what_stands_around_an_amount_is_translated_by_itself_at_last() -> None:
    words = {"It costs": "Cuesta.", "today": "¡Hoy!"}
    request = TranslationRequest("It costs $1,200 today.", "en", "es")
    answer, asked = translate(request, lambda request: words.get(request.text, "5 5"))
    assert answer == "Cuesta $1.200 hoy."
    assert [request.text for request in asked[2:]] == ["It costs", "today"]


def test_a_part_with_a_number_out_of_nothing_stays_as_it_was_said() -> None:
    request = TranslationRequest("It costs $1,200 today.", "en", "es")
    answer, _ = translate(request, lambda _: "Cinco 5")
    assert answer == "It costs $1.200 today."


def test_a_sentence_in_capitals_is_translated_as_one_would_write_it() -> None:
    asked: list[str] = []

    def backend(request: TranslationRequest) -> str:
        asked.append(request.text)
        return "¿Dónde está www.a.com?"

    request = TranslationRequest("WHERE IS www.a.com? 🐶", "en", "es")
    assert translate(request, backend)[0] == "¿DÓNDE ESTÁ www.a.com? 🐶"
    assert asked == ["Where is www.a.com?"]


DRAFT = TranslationRequest("It costs $1,200 for", "en", "es", key=1, is_draft=True)


def test_a_wrong_draft_is_withheld_after_one_call() -> None:
    asked: list[str] = []

    def backend(request: TranslationRequest) -> str:
        asked.append(request.text)
        return "Cuesta 220 $1.200"

    with pytest.raises(DraftWithheld):
        translate(DRAFT, backend)
    assert asked == [DRAFT.text]


def test_a_habit_of_garbling_hides_amounts_at_once_and_so_saves_the_drafts() -> None:
    habits = Habits()
    final = TranslationRequest("It costs $1,200.", "en", "es")
    calls = [len(translate(final, _no_decimals, habits)[1]) for _ in range(5)]
    assert calls == [2, 2, 2, 1, 1]
    answer, asked = translate(DRAFT, _no_decimals, habits)
    assert (answer, asked[0].text) == ("It costs $1.200 for", "It costs 20 dollars for")
    other = TranslationRequest("It costs $1,200.", "en", "de")
    assert translate(other, _copy, habits)[1][0].text == other.text


def _going_on(request: TranslationRequest) -> str:
    """Keeps what is pinned, as a backend must, and garbles the rest."""
    rest = request.text.removeprefix("It costs ")
    if request.pinned:
        rest = rest[len(request.pinned.removeprefix("Cuesta ")) :]
    return (request.pinned or "Cuesta ") + _no_decimals(
        TranslationRequest(rest, request.source, request.target)
    )


@pytest.mark.parametrize("pinned", ["Cuesta ", "Cuesta $1.200", "Cuesta $1.200 or"])
def test_what_people_have_seen_is_kept_and_hidden_alike(pinned: str) -> None:
    request = TranslationRequest("It costs $1,200 or 3.5%", "en", "es", pinned=pinned, key=1)
    answer, asked = translate(request, _going_on)
    assert answer == "Cuesta $1.200 or 3,5%"
    assert asked[-1].pinned == pinned.replace("$1.200", "20 dólares")


def _word_by_word(garble: Answer) -> Answer:
    """Goes on behind as many words as are pinned."""

    def backend(request: TranslationRequest) -> str:
        rest = " ".join(request.text.split()[len(request.pinned.split()) :])
        return f"{request.pinned} {garble(replace(request, text=rest))}".strip()

    return backend


@pytest.mark.parametrize("garble", [_copy, _no_decimals, _forgetting, _swapping, _doubling])
def test_captions_only_grow_and_their_finals_are_right(garble: Answer) -> None:
    habits = Habits()
    for sentence in amount_sentences("es", 40):
        track = CaptionTrack("es", "stable")
        words = [Word(text, 0, 0, 1.0) for text in sentence.text.split()]
        shown = ""
        for count in range(MIN_DRAFT_WORDS, len(words) + 1):
            is_final = count == len(words)
            segment = SourceSegment(0, count, tuple(words[:count]), is_final, "en")
            request = replace(track.request(segment), key=0)
            try:
                answer, _ = translate(request, _word_by_word(garble), habits)
            except DraftWithheld:
                assert not is_final
                continue
            caption = track.apply(segment, answer)
            if caption is not None:
                assert caption.text.startswith(shown)
                shown = caption.text
        assert sentence.is_kept_in(shown), (sentence.text, shown)


@pytest.mark.parametrize("pinned", ["Cuesta 1", "Cuesta 1.2", "Cuesta 1.200", "Cuesta"])
def test_half_an_amount_that_people_have_seen_is_finished(pinned: str) -> None:
    request = TranslationRequest("It costs 1,200 today", "en", "es", pinned=pinned, key=1)
    answer, _ = translate(request, lambda each: f"{each.pinned} 5".strip())
    assert answer.startswith(pinned)
    assert re.findall(r"\d[\d.]*", answer) == ["1.200"]


@each_backend
@pytest.mark.parametrize(
    "pinned", ["It", "It costs $1.200", "- It costs $1.200 f", "Nothing of it"]
)
def test_an_answer_begins_with_what_people_have_seen(backend: Answer, pinned: str) -> None:
    def bound(request: TranslationRequest) -> str:
        answer = backend(request)
        return answer if answer.startswith(request.pinned) else request.pinned + answer

    text = "- It costs $1,200 for 3.5% of <b>it</b> 🐶"
    request = TranslationRequest(text, "en", "es", pinned=pinned)
    assert translate(request, bound)[0].startswith(pinned)


def test_what_is_required_is_asked_of_what_is_translated() -> None:
    text = "ANNA: Windows 11.5 costs $1,200"
    request = TranslationRequest(text, "en", "es", required=("ANNA", "Windows 11.5"))
    _, asked = translate(request, _no_decimals)
    assert [each.required for each in asked] == [("Windows 11.5",), ("Windows 20",)]


def test_long_texts_are_asked_for_again_sentence_by_sentence() -> None:
    text = " ".join(f"We sold {n},000 of them." for n in range(1, 30))
    answer, asked = translate(TranslationRequest(text, "en", "es"), _no_decimals)
    assert answer == text.replace(",000", ".000")
    assert {len(request.text.split()) for request in asked[1:]} == {5}


class _Backend:
    name, at_once = "backend", 3

    def __init__(self) -> None:
        self.is_closed = False

    def check(self, source: str, target: str) -> None:
        raise TranslatorError(f"not {source} to {target}")

    async def translate(self, request: TranslationRequest) -> str:
        if "fail" in request.text:
            raise TranslatorError("failed")
        return request.text

    async def aclose(self) -> None:
        self.is_closed = True


def test_all_else_is_the_backend_s_own() -> None:
    async def scenario() -> None:
        backend = _Backend()
        translator = KeepingTranslator(backend)
        assert (translator.name, translator.at_once) == ("backend", 3)
        with pytest.raises(TranslatorError, match="not en to xx"):
            translator.check("en", "xx")
        with pytest.raises(TranslatorError, match="failed"):
            await translator.translate(TranslationRequest("fail", "en", "es"))
        assert await translator.translate(TranslationRequest("♪ a", "en", "es")) == "♪ a"
        await translator.aclose()
        assert backend.is_closed

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def translators() -> Iterator[dict[str, KeepingTranslator]]:
    yield {name: open_translator(TranslatorConfig(name)) for name in ("own", "echo")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own", "echo"])
@pytest.mark.parametrize(("text", "wanted"), HOSTILE)
def test_the_translators_that_are_here(
    translators: dict[str, KeepingTranslator], name: str, text: str, wanted: str
) -> None:
    request = TranslationRequest(text, "en", "es")
    answer = asyncio.run(translators[name].translate(request))
    for each in wanted.split():
        assert answer.count(each) == wanted.split().count(each), answer
