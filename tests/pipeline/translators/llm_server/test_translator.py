"""The translator before a server of real sockets, on its good days and its bad ones."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from surtitle.pipeline.config import TranslatorConfig
from surtitle.pipeline.errors import TranslatorAway, TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import open_translator
from surtitle.pipeline.translators.keeping import KeepingTranslator
from surtitle.pipeline.translators.llm_server import availability
from surtitle.pipeline.translators.llm_server import translator as llm_server
from surtitle.pipeline.translators.llm_server.chat import Patience
from surtitle.pipeline.translators.llm_server.translator import LlmServerTranslator
from surtitle.pipeline.translators.queue import TranslationQueue

from ....patience import PATIENCE_S
from .fake_llm_server import (
    Asked,
    Behavior,
    FakeLlmServer,
    breaks_off,
    drips,
    ends_early,
    hangs,
    pours,
    pours_one_line,
    raw,
    refuses,
    streams,
    talks_otherwise,
)

T = TypeVar("T")
TEXT = "The harbor opens at six."
ANSWER = "El puerto abre a las seis."
FILE = TranslationRequest(TEXT, "en", "es")
LIVE = replace(FILE, key=("session", 1))
PINNED = replace(LIVE, pinned="El puerto")
SECRET = "sk-4242424242"
PATIENT = Patience(silence_s=PATIENCE_S, total_s=PATIENCE_S)
SHORT = Patience(silence_s=0.2, total_s=0.5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are as many, and short."""
    monkeypatch.setattr(llm_server, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(llm_server, "FILE_TRIES_S", 5.0)
    monkeypatch.setattr(llm_server, "LIVE", PATIENT)
    monkeypatch.setattr(llm_server, "FILE", PATIENT)
    monkeypatch.setattr(availability.Availability, "FIRST_WAIT_S", 0.05)


def run(
    server: FakeLlmServer,
    scenario: Callable[[LlmServerTranslator], Awaitable[T]],
    *,
    model: str | None = None,
) -> T:
    async def serve() -> T:
        async with server.serving():
            translator = LlmServerTranslator(server.address, model, at_once=4, key=SECRET)
            try:
                return await asyncio.wait_for(scenario(translator), PATIENCE_S)
            finally:
                await translator.aclose()

    return asyncio.run(serve())


def translated(server: FakeLlmServer, *requests: TranslationRequest) -> list[str]:
    async def scenario(translator: LlmServerTranslator) -> list[str]:
        return [await translator.translate(request) for request in requests]

    return run(server, scenario)


def echo(asked: Asked) -> str:
    return f"[{asked.text}]"


def continues(*, is_told: bool) -> Behavior:
    """Goes on with the last message: where it is told so, or by itself, and does not want to be
    told."""

    def answer(asked: Asked) -> str:
        if "one two three" in asked.messages[0]["content"]:
            return " five six"
        return " abre a las seis." if asked.messages[-1]["role"] == "assistant" else "No."

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.body.get("continue_final_message", False) is is_told:
            await streams(answer)(asked, writer)
        else:
            await refuses("400 Bad Request")(asked, writer)

    return behave


def test_a_translation_is_asked_for_and_streams_in() -> None:
    server = FakeLlmServer(streams(f'Translation: "{ANSWER}"'))
    assert translated(server, FILE) == [ANSWER]
    (asked,) = server.asked
    assert asked.body["model"] == "fake-7b" and asked.body["stream"] is True
    assert asked.body["temperature"] == 0
    assert asked.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.text == TEXT


def test_requests_share_connections() -> None:
    server = FakeLlmServer(streams(ANSWER))
    assert translated(server, *[FILE] * 5) == [ANSWER] * 5
    assert server.connections == 1


def test_nothing_is_asked_for_no_text() -> None:
    server = FakeLlmServer(streams(ANSWER))
    assert translated(server, replace(FILE, text=" \n")) == [""] and not server.asked


def test_an_answer_that_comes_as_a_whole() -> None:
    body = {"choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}]}
    assert translated(FakeLlmServer(refuses("200 OK", body)), FILE) == [ANSWER]


def test_line_ends_of_unicode_do_not_cut_the_stream() -> None:
    assert translated(FakeLlmServer(streams("uno\u2028dos\u0085tres")), FILE)[0].startswith("uno")


def test_no_more_at_once_than_it_was_told() -> None:
    server = FakeLlmServer(streams(echo))

    async def scenario(translator: LlmServerTranslator) -> list[str | TranslatorError]:
        requests = [replace(FILE, text=f"text {n}") for n in range(12)]
        return await TranslationQueue(translator).translate_all(requests, "file")

    assert run(server, scenario) == [f"[text {n}]" for n in range(12)]
    assert server.most_at_work <= 4


def test_a_long_text_is_asked_for_in_parts_each_after_the_one_before() -> None:
    server = FakeLlmServer(streams(echo))
    sentences = [f"This is sentence {n} of a text that is too long for one." for n in range(60)]
    (answer,) = translated(server, replace(FILE, text=" ".join(sentences), required=("nada",)))
    assert all(sentence in answer for sentence in sentences)
    first, second, *_ = server.asked
    assert len(server.asked) == 3  # nobody asks again for a term that belongs in one of them
    assert [each["role"] for each in second.messages] == ["user", "assistant", "user"]
    assert second.messages[1]["content"] == f"[{first.text}]"


@pytest.mark.parametrize("is_told", [True, False])
def test_pinned_text_is_continued_where_the_server_can(is_told: bool) -> None:
    server = FakeLlmServer(continues(is_told=is_told))
    assert translated(server, PINNED, PINNED) == [ANSWER] * 2
    probes = [asked for asked in server.asked if "one two three" in asked.messages[0]["content"]]
    assert server.asked == [*probes, *server.asked[-2:]]  # what it can is found out once
    assert server.asked[-1].messages[-1] == {"role": "assistant", "content": "El puerto"}
    assert server.asked[-1].body.get("continue_final_message", False) is is_told


def without_prefill(*answers: str) -> FakeLlmServer:
    """Begins anew whatever stands in its name; the second probe is refused, as by some."""
    server = FakeLlmServer(refuses("500 Internal Server Error"))
    probes = [streams("one two three four five six"), *[refuses("400 Bad Request")] * 4]
    server.days = [*probes, *map(streams, answers)]
    return server


def test_a_server_that_cannot_continue_is_told_how_to_begin() -> None:
    server = without_prefill(ANSWER)
    assert translated(server, PINNED) == [ANSWER]
    assert "must begin exactly with “El puerto”" in server.asked[-1].last


def test_an_answer_that_begins_otherwise_is_asked_for_once_more() -> None:
    server = without_prefill("Este puerto abre.", ANSWER)
    assert translated(server, PINNED) == [ANSWER]
    *_, said, complaint = server.asked[-1].messages
    assert said == {"role": "assistant", "content": "Este puerto abre."}
    assert complaint["content"].startswith("The translation must begin exactly with “El puerto”.")


def test_what_is_pinned_stands_whatever_the_model_says() -> None:
    server = without_prefill("Este puerto abre a las seis.", "Hoy ese puerto abre a las seis.")
    pinned = replace(PINNED, pinned="El puerto abre")
    assert translated(server, pinned) == [ANSWER] and not server.days


def test_a_term_that_is_missing_is_asked_for_once_more() -> None:
    request = replace(FILE, required=("dársena",))
    server = FakeLlmServer(streams("Otra vez."), [streams(ANSWER), streams("La dársena abre.")])
    assert translated(server, request) == ["La dársena abre."]
    assert "must contain “dársena”" in server.asked[1].last
    server = FakeLlmServer(streams("Otra vez."), [streams(ANSWER)])
    assert translated(server, request) == [ANSWER]  # the second is no better
    assert len(server.asked) == 2


@pytest.mark.parametrize("bad", [refuses("401 Unauthorized"), streams("")], ids=["away", "empty"])
def test_an_answer_that_lacks_a_term_is_better_than_none(bad: Behavior) -> None:
    server = FakeLlmServer(bad, [streams(ANSWER)])
    assert translated(server, replace(FILE, required=("dársena",))) == [ANSWER]


def test_a_server_that_does_not_know_an_option_is_asked_without_it_from_then_on() -> None:
    server = FakeLlmServer(streams(ANSWER), [refuses("400 Bad Request")] * 2)
    assert translated(server, FILE, FILE) == [ANSWER] * 2
    has = ["chat_template_kwargs", "temperature", "max_completion_tokens"]
    known = [[name for name in has if name in asked.body] for asked in server.asked]
    assert known == [has[:2], ["temperature"], ["max_completion_tokens"], ["max_completion_tokens"]]


def test_a_text_that_the_server_refuses_is_that_texts_error() -> None:
    body = {"error": {"message": "too long\nfor me"}}
    server = FakeLlmServer(streams(ANSWER), [refuses("400 Bad Request", body)] * 4)

    async def scenario(translator: LlmServerTranslator) -> str:
        with pytest.raises(TranslatorError, match="answers 400 Bad Request: too long for me$") as e:
            await translator.translate(LIVE)
        assert not isinstance(e.value, TranslatorAway)
        return await translator.translate(LIVE)

    assert run(server, scenario) == ANSWER


def test_of_several_models_one_must_be_named() -> None:
    server = FakeLlmServer(streams(ANSWER), models=["one", "two"])

    async def scenario(translator: LlmServerTranslator) -> str:
        return await translator.translate(FILE)

    with pytest.raises(TranslatorAway, match="has 2 models; name one with --llm-model: one, two"):
        run(server, scenario)
    assert run(server, scenario, model="two") == ANSWER
    assert server.asked[-1].body["model"] == "two"


def test_languages_are_those_that_have_a_name() -> None:
    server = FakeLlmServer(streams(ANSWER))

    async def scenario(translator: LlmServerTranslator) -> None:
        translator.check("en", "gd")
        with pytest.raises(TranslatorError, match="'xx' is no language"):
            translator.check("en", "xx")
        with pytest.raises(TranslatorError, match="'xx' is no language"):
            await translator.translate(replace(FILE, source="xx"))

    run(server, scenario)


PASSING: list[Behavior] = [
    hangs,
    breaks_off,
    ends_early,
    talks_otherwise,
    refuses("500 Internal Server Error"),
    refuses("503 Service Unavailable", b"<html>busy</html>"),
    refuses("429 Too Many Requests", headers="\r\nretry-after: 0"),
    raw(b'data: {"error":{"message":"out of memory","code":500}}\n\n'),
]


def _name(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("bad", PASSING, ids=_name)
def test_a_bad_moment_is_tried_again(bad: Behavior, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_server, "FILE", SHORT)
    server = FakeLlmServer(streams(ANSWER), [bad, bad])

    async def scenario(translator: LlmServerTranslator) -> str:
        return await translator.translate(FILE)

    assert run(server, scenario) == ANSWER


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (refuses("401 Unauthorized"), "answers 401 Unauthorized: not today"),
        (refuses("404 Not Found"), r"answers 404 Not Found: not today \(an address mostly ends"),
        (refuses("307 Temporary Redirect"), "answers 307"),
        (refuses("299 Odd"), "answers 299"),
        (refuses("200 OK", b"<html>log in</html>"), "does not answer as a chat"),
        (refuses("200 OK", b"log in"), "does not answer as a chat"),
        (refuses("200 OK", {"choices": []}), "does not answer as a chat"),
        (refuses("200 OK", {"choices": ["x"]}), "does not answer as a chat"),
        (refuses("200 OK", [1]), "does not answer as a chat"),
        (raw(b"data: {nonsense\n\n"), "does not answer as a chat"),
        (raw(b"data: " + b"[" * 100_000 + b"\n\n"), "does not answer as a chat"),
        (raw(b'data: {"choices":{"a":1}}\n\n'), "does not answer as a chat"),
        (raw(b'data: {"choices":[{"delta":{"content":7}}]}\n\n'), "does not answer as a chat"),
        (raw(b"data: \xff\xfe\n\n"), "does not answer as a chat"),
        (pours_one_line, "does not answer as a chat"),
    ],
)
def test_what_no_waiting_mends_is_told_at_once(bad: Behavior, message: str) -> None:
    server = FakeLlmServer(streams(ANSWER), [bad])

    async def scenario(translator: LlmServerTranslator) -> str:
        with pytest.raises(TranslatorAway, match=message):
            await translator.translate(FILE)
        return await translator.translate(FILE)

    assert run(server, scenario) == ANSWER


def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_server, "LIVE_TRIES_S", 0.1)
    monkeypatch.setattr(llm_server, "LIVE", replace(SHORT, silence_s=5))
    server = FakeLlmServer(streams(ANSWER), [drips])

    async def scenario(translator: LlmServerTranslator) -> str:
        with pytest.raises(TranslatorAway, match="has not come to an end in 0.5 s"):
            await translator.translate(LIVE)
        return await translator.translate(LIVE)

    assert run(server, scenario) == ANSWER


def test_an_answer_without_end_is_not_read_to_it() -> None:
    server = FakeLlmServer(pours)

    async def scenario(translator: LlmServerTranslator) -> None:
        with pytest.raises(TranslatorError, match="not come to an end") as error:
            await translator.translate(FILE)
        assert not isinstance(error.value, TranslatorAway)
        await server.gone.wait()  # the server learns that nobody listens

    run(server, scenario)
    assert len(server.asked) == 2


@pytest.mark.parametrize("bad", [pours, streams("")], ids=["endless", "empty"])
def test_a_useless_answer_is_asked_for_once_more_without_what_may_lead_astray(
    bad: Behavior,
) -> None:
    server = FakeLlmServer(streams(ANSWER), [bad])
    request = replace(FILE, context=(("Good morning.", "Buenos días."),))
    assert translated(server, request) == [ANSWER]
    first, second = server.asked
    assert "Buenos días." in str(first.messages) and "Buenos días." not in str(second.messages)
    assert [each["role"] for each in second.messages] == ["user", "assistant", "user"]
    assert second.last.startswith("That was no translation.")


def test_what_is_at_work_when_it_is_closed_gets_an_error() -> None:
    server = FakeLlmServer(hangs)

    async def scenario(translator: LlmServerTranslator) -> None:
        tasks = [asyncio.create_task(translator.translate(each)) for each in (FILE, LIVE)]
        await server.begun.wait()
        await translator.aclose()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, TranslatorError)
        with pytest.raises(TranslatorError, match="is closed"):
            await translator.translate(FILE)

    run(server, scenario)


def test_remarks_without_end_cost_no_translation() -> None:
    server = FakeLlmServer(streams(f"{ANSWER}\n\n" + "Note that. " * 500, "length"))
    assert translated(server, FILE) == [ANSWER]


@pytest.mark.parametrize("answer", ["", "<think>The harbor"])
def test_an_answer_with_nothing_in_it_is_an_error(answer: str) -> None:
    server = FakeLlmServer(streams(answer))

    async def scenario(translator: LlmServerTranslator) -> None:
        with pytest.raises(TranslatorError, match="has answered nothing"):
            await translator.translate(FILE)

    run(server, scenario)


def test_a_model_that_only_repeats_what_it_was_asked_does_not_translate() -> None:
    server = FakeLlmServer(streams(lambda asked: asked.messages[0]["content"]))

    async def scenario(translator: LlmServerTranslator) -> None:
        with pytest.raises(TranslatorError, match="made for conversations"):
            await translator.translate(FILE)

    run(server, scenario)
    assert len(server.asked) == 2


def test_long_thoughts_do_not_count_as_a_long_answer() -> None:
    server = FakeLlmServer(streams(f"<think>{'hm ' * 2000}</think>{ANSWER}"))
    assert translated(server, FILE) == [ANSWER]


def test_whoever_is_cancelled_hangs_up() -> None:
    server = FakeLlmServer(streams(ANSWER), [hangs])

    async def scenario(translator: LlmServerTranslator) -> str:
        task = asyncio.create_task(translator.translate(FILE))
        await server.begun.wait()
        task.cancel()
        await server.gone.wait()
        return await translator.translate(FILE)

    assert run(server, scenario) == ANSWER


def test_while_a_server_is_away_live_requests_fail_at_once_and_it_comes_back_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line says that it is away, however many requests fail; one that it is back."""

    async def scenario() -> None:
        server = FakeLlmServer(streams(ANSWER))
        async with server.serving():
            translator = LlmServerTranslator(server.address, key=SECRET)
            assert await translator.translate(LIVE) == ANSWER
        for _ in range(20):
            with pytest.raises(TranslatorAway, match="cannot be reached"):
                await translator.translate(LIVE)
        asked = len(server.asked)
        async with server.serving():
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        assert await translator.translate(LIVE) == ANSWER
                        break
                    except TranslatorAway:
                        await asyncio.sleep(0.01)
            assert len(server.asked) == asked + 1
            await translator.aclose()

    with caplog.at_level(logging.WARNING, "surtitle"):
        asyncio.run(scenario())
    away, back = caplog.messages
    assert "cannot be reached" in away and "live captions go on untranslated" in away
    assert back.endswith("is back")


def test_a_server_that_is_away_is_probed_by_one_request_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(llm_server, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(llm_server, "LIVE", replace(SHORT, silence_s=0.1))
    server = FakeLlmServer(hangs)

    async def scenario(translator: LlmServerTranslator) -> None:
        async def asked_by_ten() -> int:
            before = len(server.asked)
            results = await asyncio.gather(
                *[translator.translate(LIVE) for _ in range(10)], return_exceptions=True
            )
            assert all(isinstance(result, TranslatorAway) for result in results)
            return len(server.asked) - before

        with pytest.raises(TranslatorAway):
            await translator.translate(LIVE)
        assert await asked_by_ten() == 0
        now_s[0] += 0.05
        assert await asked_by_ten() == 1
        now_s[0] += 0.05
        assert await asked_by_ten() == 0  # the next wait is twice as long
        now_s[0] += 0.05
        assert await asked_by_ten() == 1

    run(server, scenario)


def test_a_file_waits_for_a_server_that_comes_back() -> None:
    async def scenario() -> list[str]:
        server = FakeLlmServer(streams(ANSWER))
        async with server.serving():
            translator = LlmServerTranslator(server.address)
        with pytest.raises(TranslatorAway):
            await translator.translate(LIVE)
        tasks = [asyncio.create_task(translator.translate(FILE)) for _ in range(5)]
        async with server.serving():
            answers = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)
            await translator.aclose()
            return answers

    assert asyncio.run(scenario()) == [ANSWER] * 5


def test_a_file_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_server, "FILE_TRIES_S", 0.3)
    server = FakeLlmServer(refuses("503 Service Unavailable"))

    async def scenario(translator: LlmServerTranslator) -> None:
        with pytest.raises(TranslatorAway, match="answers 503 Service Unavailable: not today"):
            await translator.translate(FILE)

    run(server, scenario)


def test_the_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not even where a server says it aloud."""
    body = {"error": {"message": f"Incorrect API key provided: {SECRET}"}}
    server = FakeLlmServer(refuses("401 Unauthorized", body))
    shown: list[str] = []

    async def scenario(translator: LlmServerTranslator) -> None:
        for _ in range(5):
            with pytest.raises(TranslatorAway, match="Incorrect API key provided: ") as error:
                await translator.translate(LIVE)
            shown.extend(traceback.format_exception(error.value))

    with caplog.at_level(logging.DEBUG):
        run(server, scenario)
    config = TranslatorConfig(server.address, llm_key=SECRET)
    assert SECRET not in "".join((*shown, *caplog.messages, repr(config)))
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


def test_an_address_opens_it() -> None:
    config = TranslatorConfig("http://127.0.0.1:9/v1", llm_model="m", llm_requests=3)
    translator = open_translator(config)
    assert isinstance(translator, KeepingTranslator) and translator.at_once == 3
    assert isinstance(translator.backend, LlmServerTranslator)
    asyncio.run(translator.aclose())


def test_a_draft_is_not_asked_for_again_for_a_term() -> None:
    server = FakeLlmServer(streams(ANSWER))
    assert translated(server, replace(LIVE, required=("dársena",), is_draft=True)) == [ANSWER]
    assert len(server.asked) == 1
