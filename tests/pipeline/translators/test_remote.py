"""A translator on other machines is one like all others, while they are there and while not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from surtitle.pipeline.cluster import WorkersLost
from surtitle.pipeline.errors import TranslatorAway, TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import remote
from surtitle.pipeline.translators.echo import EchoTranslator
from surtitle.pipeline.translators.queue import Priority, TranslationQueue
from surtitle.pipeline.translators.remote import RemoteTranslator, TranslatorTraits, open_remote

from ..cluster.scripted_calls import ScriptedCluster
from ..scripted_translator import ScriptedTranslator

LIVE = TranslationRequest("good morning", "en", "es", key=("main", "es", 1))
OF_A_FILE = TranslationRequest("good morning", "en", "es")
TRAITS = TranslatorTraits("the embedded model", 32, {"en": {"es", "de"}, "es": {"en"}})


def test_traits_tell_what_a_translator_knows() -> None:
    translator = ScriptedTranslator(at_once=16, targets=frozenset({"es", "en"}))
    traits = TranslatorTraits.of(translator, 32)
    assert (traits.name, traits.at_once) == ("script", 32)
    assert traits.targets["en"] == {"es"}
    assert traits.targets["es"] == {"en"}
    assert traits.targets["de"] == {"es", "en"}


def test_a_language_that_the_workers_do_not_know_is_an_error_with_the_remedy() -> None:
    translator = RemoteTranslator(ScriptedCluster(), TRAITS)
    translator.check("en", "es")
    with pytest.raises(TranslatorError, match="does not translate en to fr; `surtitle workers --"):
        translator.check("en", "fr")
    with pytest.raises(TranslatorError, match="does not translate nl to en"):
        translator.check("nl", "en")


def test_a_request_is_one_call_with_all_that_it_needs() -> None:
    cluster = ScriptedCluster(translate="buenos días")
    assert asyncio.run(RemoteTranslator(cluster, TRAITS).translate(LIVE)) == "buenos días"
    assert cluster.asked[0][:3] == ("translator", "translate", (LIVE,))


def test_what_the_worker_raises_is_the_error_of_the_request() -> None:
    cluster = ScriptedCluster(translate=TranslatorError("too long"))
    with pytest.raises(TranslatorError, match="^too long$"):
        asyncio.run(RemoteTranslator(cluster, TRAITS).translate(LIVE))


@pytest.mark.parametrize("lost", [True, False])
def test_a_live_request_does_not_wait_for_a_cluster_that_is_away(lost: bool) -> None:
    cluster = ScriptedCluster(translate=WorkersLost("all died"))
    if not lost:
        cluster.there.clear()
    with pytest.raises(TranslatorAway):
        asyncio.run(RemoteTranslator(cluster, TRAITS).translate(LIVE))
    assert cluster.waits_s == []


@pytest.mark.parametrize("is_draft", [True, False])
def test_a_live_request_that_nobody_answers_is_given_up_and_the_cluster_told(
    is_draft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "DRAFT_S" if is_draft else "FINAL_S", 0.05)
    cluster = ScriptedCluster()
    with pytest.raises(TranslatorAway, match="does not answer"):
        request = replace(LIVE, is_draft=is_draft)
        asyncio.run(RemoteTranslator(cluster, TRAITS).translate(request))
    assert cluster.asked[0].answer.cancelled()


def test_a_request_of_a_file_is_asked_again_when_the_cluster_is_back() -> None:
    cluster = ScriptedCluster(translate="buenos días")
    cluster.there.clear()
    cluster.comes_back = True
    assert asyncio.run(RemoteTranslator(cluster, TRAITS).translate(OF_A_FILE)) == "buenos días"
    assert len(cluster.asked) == 2


def test_a_request_of_a_file_fails_where_the_cluster_stays_away() -> None:
    cluster = ScriptedCluster()
    cluster.there.clear()
    with pytest.raises(TranslatorAway):
        asyncio.run(RemoteTranslator(cluster, TRAITS).translate(OF_A_FILE))
    assert cluster.waits_s == [remote.FILE_WAIT_S]


def test_closing_ends_what_is_asked_with_an_error() -> None:
    async def close() -> None:
        translator = RemoteTranslator(ScriptedCluster(), TRAITS)
        asked = asyncio.create_task(translator.translate(LIVE))
        await asyncio.sleep(0)
        await translator.aclose()
        with pytest.raises(TranslatorError, match="closed"):
            await asked
        with pytest.raises(TranslatorError, match="closed"):
            await translator.translate(LIVE)

    asyncio.run(close())


def test_a_caller_that_is_cancelled_is_told_so_and_no_more_is_asked() -> None:
    async def cancel() -> ScriptedCluster:
        cluster = ScriptedCluster()
        asked = asyncio.create_task(RemoteTranslator(cluster, TRAITS).translate(LIVE))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        return cluster

    assert asyncio.run(cancel()).asked[0].answer.cancelled()


def test_what_must_not_change_is_looked_after_here_as_with_any_translator() -> None:
    async def ask() -> tuple[str, list[str]]:
        cluster = ScriptedCluster(translate="buenos días")
        queue = TranslationQueue(open_remote(cluster, TRAITS))
        found = await queue.translate(
            lambda: TranslationRequest("<i>good morning</i>", "en", "es"),
            key=1,
            priority=Priority.FINAL,
            owner="main",
        )
        return found, [each.arguments[0].text for each in cluster.asked]

    assert asyncio.run(ask()) == ("<i>buenos días</i>", ["good morning"])


def test_the_echo_translator_knows_all_languages() -> None:
    targets = TranslatorTraits.of(EchoTranslator(), 1).targets
    assert "de" in targets["en"] and "en" not in targets["en"]
