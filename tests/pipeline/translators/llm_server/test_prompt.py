from __future__ import annotations

from dataclasses import replace

import pytest

from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.text.language_names import LANGUAGE_NAMES
from surtitle.pipeline.text.languages import LANGUAGES
from surtitle.pipeline.translators.llm_server.prompt import (
    begins_as_pinned,
    complaint,
    continuation_in,
    messages,
    pinned_and_rest,
    translation_in,
)

REQUEST = TranslationRequest("The harbor opens at six.", "en", "es")
ANSWER = "El puerto abre a las seis."
CONTEXT = ("Good morning.", "Buenos días."), ("Look there.", "Mira allí.")


def test_languages_have_names() -> None:
    assert LANGUAGE_NAMES["es"] == "Spanish" and LANGUAGE_NAMES["gd"] == "Scottish Gaelic"
    assert LANGUAGES.keys() <= LANGUAGE_NAMES.keys()
    assert len(LANGUAGE_NAMES) > 180 and all(len(code) == 2 for code in LANGUAGE_NAMES)


def test_the_task_and_the_text_are_one_message_of_the_user() -> None:
    (message,) = messages(REQUEST, can_continue=False)
    assert message["role"] == "user"
    assert "from English into Spanish" in message["content"]
    assert message["content"].endswith("\n\nThe harbor opens at six.")


def test_what_was_said_before_is_a_conversation_that_begins_with_the_task() -> None:
    asked = messages(replace(REQUEST, context=CONTEXT), can_continue=False)
    assert [each["role"] for each in asked] == ["user", "assistant"] * 2 + ["user"]
    assert asked[0]["content"].endswith("alone.\n\nGood morning.")
    assert [each["content"] for each in asked[1:]] == [
        "Buenos días.",
        "Look there.",
        "Mira allí.",
        REQUEST.text,
    ]


def test_what_has_no_translation_is_told_behind_the_text() -> None:
    context = (CONTEXT[0], ("Look there.", ""))
    asked = messages(replace(REQUEST, context=context), can_continue=False)
    assert [each["role"] for each in asked] == ["user", "assistant", "user"]
    assert asked[2]["content"] == (
        "Text: The harbor opens at six.\n\n"
        "(It was said after: “Look there.” That is not to be translated.)"
    )


def test_terms_are_told_and_what_kind_of_text_it_is() -> None:
    plain = messages(REQUEST, can_continue=False)[0]["content"]
    request = replace(REQUEST, required=("dársena", "a las 6"), key=1, is_written=False)
    content = messages(request, can_continue=False)[0]["content"]
    assert "“dársena”, “a las 6”" in content
    for words in "breaks off", "speech recognizer":
        assert words in content and words not in plain


def test_a_pinned_beginning_is_the_answers_or_else_a_demand() -> None:
    request = replace(REQUEST, pinned=" El puerto ")
    asked = messages(request, can_continue=True)
    assert asked[-1] == {"role": "assistant", "content": "El puerto"}
    assert "El puerto" not in asked[0]["content"]
    (only,) = messages(request, can_continue=False)
    assert "must begin exactly with “El puerto”" in only["content"]


@pytest.mark.parametrize("can_continue", [False, True])
def test_what_was_wrong_is_said_after_the_answer(can_continue: bool) -> None:
    request = replace(REQUEST, pinned="El puerto", context=CONTEXT)
    wrong = "Ese muelle.", "It must say so."
    asked = messages(request, can_continue=can_continue, wrong=wrong)
    roles = ["user", "assistant"] * 3 + ["user"] + ["assistant"] * can_continue
    assert [each["role"] for each in asked] == roles  # some models want them to take turns
    assert asked[5]["content"] == "Ese muelle." and "It must say so." in asked[6]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        f"  {ANSWER}\n",
        f"<think>The harbor...\n\nPuerto.</think>\n\n{ANSWER}",
        f"<THINKING>x</THINKING>{ANSWER}",
        f"It began in the prompt.\n</think>\n{ANSWER}",
        f"<|channel>thought\n<channel|>{ANSWER}",
        f"<|channel>thought\nThe harbor...\n<channel|>{ANSWER}",
        f"thought\n{ANSWER}",  # the same, with its special tokens taken out
        "<|channel|>analysis<|message|>The harbor.<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{ANSWER}",
        f"<think>One.</think><think>Two.</think>{ANSWER}",
        f"Translation: {ANSWER}",
        f"**Translation:** {ANSWER}",
        f"**Spanish translation**: {ANSWER}",
        f"Spanish: {ANSWER}",
        f"{ANSWER}<|im_end|> <|im_end|>",
        f"{ANSWER} <turn|>\n",
        f"Texto: {ANSWER}\n\n(Se dijo después: “Mira allí”.)",
        f"Translation (Spanish): {ANSWER}",
        f"Translation into Spanish:\n{ANSWER}",
        f"Traducción: {ANSWER}",
        f"Sure! Here is the translation into Spanish:\n\n{ANSWER}\n\nLet me know if I can help!",
        f"{ANSWER}\n\nNote: “puerto” may also be a port.",
        f"{ANSWER} (Note: formal)",
        f"```\n{ANSWER}\n```",
        f"```spanish\n{ANSWER}\n```\nThat is it.",
        f"Here it is:\n```text\n{ANSWER}\n```",
        *(f"{a}{ANSWER}{b}" for a, b in ('""', "“”", "„“", "«»", "「」", "''", "‘’", "``")),
        f"**{ANSWER}**",
        f'Translation: "{ANSWER}"',
        f'"Translation: {ANSWER}"',
        f'"{ANSWER}"\n\nThis keeps the tone.',
    ],
)
def test_what_stands_around_a_translation_is_cut(answer: str) -> None:
    assert translation_in(answer, REQUEST) == ANSWER


@pytest.mark.parametrize("begin", ["<think>", "<|channel>thought\n", "<|channel|>analysis"])
def test_a_model_that_has_only_thought_has_answered_nothing(begin: str) -> None:
    assert translation_in(f"{begin}The harbor, hmm, the", REQUEST) == ""


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('"Six," he said.', '"Las seis", dijo.'),
        ('"At six."', '"A las seis."'),
        ("“Six” or “seven”", "“Seis” o “siete”"),
        ("Translation: a hard art.", "Traducción: un arte difícil."),
        ("Spanish: yes or no?", "Español: ¿sí o no?"),
        ("Run `make` (now)", "Ejecuta `make` (nota: ahora)"),
        ("one\ntwo", "uno\ndos"),
        ("He said this", "Dijo: así es"),
        ("The tag <think> begins it.", "La etiqueta <think> lo inicia."),
        ("A fence is ```x\ny```", "Una valla es ```x\ny```"),
    ],
)
def test_what_the_text_has_itself_stays(text: str, answer: str) -> None:
    assert translation_in(answer, replace(REQUEST, text=text)) == answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (" abre a las seis.", "El puerto abre a las seis."),
        ("abre a las seis.", "El puerto abre a las seis."),  # the server has lost the blank
        ("El puerto abre a las seis.", "El puerto abre a las seis."),  # or says it all again
        (", a las seis.\n\nNote: x", "El puerto, a las seis."),
        ("<think></think> abre.", "El puerto abre."),
        ("", "El puerto"),
    ],
)
def test_a_continued_answer_is_the_pinned_beginning_and_the_rest(
    answer: str, expected: str
) -> None:
    assert continuation_in(answer, replace(REQUEST, pinned="El puerto")) == expected


def test_a_language_without_blanks_gets_none() -> None:
    request = replace(REQUEST, target="ja", pinned="港は")
    assert continuation_in("六時に開きます。", request) == "港は六時に開きます。"


def test_an_amount_is_not_parted() -> None:
    request = replace(REQUEST, pinned="Son 3.")
    assert continuation_in("5 metros", request) == "Son 3.5 metros"


def test_only_whole_words_make_the_beginning() -> None:
    assert begins_as_pinned("El puerto abre", replace(REQUEST, pinned="El puerto"))
    assert not begins_as_pinned("El puertorriqueño", replace(REQUEST, pinned="El puerto"))
    assert begins_as_pinned("Cualquiera", REQUEST)


def test_what_is_missing_is_told() -> None:
    request = replace(REQUEST, pinned="El puerto", required=("seis",))
    assert complaint(ANSWER, request) == ""
    assert complaint("Abre a las 6.", request) == (
        "The translation must begin exactly with “El puerto”. The translation must contain “seis”."
    )


@pytest.mark.parametrize(
    ("pinned", "answer", "expected"),
    [
        ("El puerto abre", "Este puerto abre a las seis.", "El puerto abre a las seis."),
        ("El puerto abre", "Hoy el puerto abre a las seis.", "El puerto abre a las seis."),
        ("El muelle se abre", "El puerto abre a las seis.", "El muelle se abre las seis."),
        ("El puerto abre a las seis", "A las seis.", "El puerto abre a las seis."),
        ("El puerto abre", "", "El puerto abre"),
    ],
)
def test_an_answer_that_begins_otherwise_gives_its_rest(
    pinned: str, answer: str, expected: str
) -> None:
    assert pinned_and_rest(answer, replace(REQUEST, pinned=pinned)) == expected
