"""A language model behind an OpenAI-compatible chat endpoint: vLLM, llama.cpp, Ollama, a cloud."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from ...errors import TranslatorAway, TranslatorError
from ...events import TranslationRequest
from ...text.language_names import LANGUAGE_NAMES
from ...text.pieces import joined, pieces
from .availability import Availability, Permit
from .chat import Answer, ChatServer, Patience, Refused, ServerAway
from .prompt import (
    PROBE,
    REST_OF_PROBE,
    Message,
    begins_as_pinned,
    complaint,
    continuation_in,
    messages,
    pinned_and_rest,
    repeats_its_task,
    translation_in,
    without_thoughts,
)

MOST_CHARS = 1200  # of a text that is asked for at once; of a longer one, some sentences each
FIRST_WAIT_S = 0.5  # before the second try; then twice as long
LIVE = Patience(silence_s=30, total_s=90)
FILE = Patience(silence_s=120, total_s=600)  # nobody looks at it yet: it may be slow
LIVE_TRIES_S = 3.0  # then a live text is not tried again: newer ones are
FILE_TRIES_S = 60.0  # how long a text of a file waits for a server that is away

# What tells a server to go on with the last message: vLLM and llama.cpp want to be told, others do
# so by themselves, and some cannot.
_WAYS_TO_CONTINUE: tuple[dict[str, Any], ...] = (
    {"continue_final_message": True, "add_generation_prompt": False},
    {},
)

log = logging.getLogger(__name__)


class _NoTranslation(TranslatorError):
    """An answer came, and is of no use."""

    def __init__(self, message: str, answer: str) -> None:
        super().__init__(message)
        self.answer = answer


class LlmServerTranslator:
    """Requests go to the server on their own, as many at once as it was told to get.

    A server that is away, or refuses everything, costs a few tries. Then the log says so in one
    line, requests of live captions fail at once, and one of them at a time, at growing waits, tries
    whether it is back. A request of a file waits for that a while. To be used on one event loop.
    """

    def __init__(
        self,
        address: str,
        model: str | None = None,
        *,
        at_once: int = 8,
        key: str | None = None,
    ) -> None:
        self.name = f"the LLM server {address}"
        self.at_once = at_once
        self._server = ChatServer(address, model, key, at_once)
        self._availability = Availability()
        self._last_error: ServerAway | None = None
        self._is_closed = False
        self._finding_out = asyncio.Lock()
        self._can_continue: dict[str, Any] | None = None  # how to ask for it
        self._knows_whether = False  # it can

    def check(self, source: str, target: str) -> None:
        """Which languages a model knows, it does not say: whatever has a name may be asked for."""
        for language in (source, target):
            if language not in LANGUAGE_NAMES:
                raise TranslatorError(
                    f"{language!r} is no language of ISO 639-1; use en, es or such"
                )

    async def translate(self, request: TranslationRequest) -> str:
        self.check(request.source, request.target)
        if not request.text.strip():
            return ""
        if len(request.text) <= MOST_CHARS:
            return await self._translated(request, insists=not request.is_draft)
        return await self._translated_in_parts(request)

    async def aclose(self) -> None:
        self._is_closed = True
        await self._server.aclose()

    async def _translated_in_parts(self, request: TranslationRequest) -> str:
        """One after the other, each with the one before it as its context. Nobody knows in which
        of them a term of the glossary belongs."""
        found: list[str] = []
        context = request.context
        for text in _parts(request):
            pinned = request.pinned if not found else ""
            part = replace(request, text=text, context=context, pinned=pinned, draft="")
            found.append(await self._translated(part, insists=False))
            context = ((text, found[-1]),)
        return joined(found, request.target)

    async def _translated(self, request: TranslationRequest, *, insists: bool) -> str:
        """The model is asked again, once, where it has not begun as it must, and with `insists`
        where a term is missing. The pinned beginning stands whatever it says."""
        try:
            first = await self._asked(request)
        except _NoTranslation as error:  # what was said before may have led it astray
            wrong = error.answer[:200].strip() or "…", "That was no translation."
            first = await self._asked(replace(request, context=()), wrong=wrong)
        found = await self._improved(first, request, insists=insists)
        return found if begins_as_pinned(found, request) else pinned_and_rest(found, request)

    async def _improved(self, first: str, request: TranslationRequest, *, insists: bool) -> str:
        """The first answer, or the second where that is better."""
        checked = request if insists else replace(request, required=())
        wrong = complaint(first, checked)
        if not wrong:
            return first
        try:
            second = await self._asked(request, wrong=(first, wrong))
        except TranslatorError:
            return first  # which can be read
        # One that is no better is a second guess of a model that was told to change something.
        return second if len(complaint(second, checked)) < len(wrong) else first

    async def _asked(
        self, request: TranslationRequest, wrong: tuple[str, str] | None = None
    ) -> str:
        options = await self._how_to_continue() if request.pinned.strip() else None
        can_continue = options is not None
        asked = messages(request, can_continue=can_continue, wrong=wrong)
        most_chars = 4 * len(request.text) + 200

        def is_enough(text: str) -> bool:
            return len(without_thoughts(text, request)) > most_chars

        is_live = request.key is not None
        answer = await self._answer(asked, is_enough, options or {}, is_live=is_live)
        read = continuation_in if can_continue else translation_in
        found = read(answer.text, request)
        if not found:
            why = "the LLM has answered nothing; if it only thinks, let it not"
            raise _NoTranslation(why, answer.text)
        if repeats_its_task(found, request):
            why = "the LLM says its task again; take one that was made for conversations"
            raise _NoTranslation(why, answer.text)
        if answer.is_cut and answer.text.rstrip().endswith(found[-20:]):
            raise _NoTranslation("the LLM has not come to an end with its answer", answer.text)
        return found

    async def _how_to_continue(self) -> dict[str, Any] | None:
        """The options with which the server goes on with the last message; None where it cannot.
        It is asked once."""
        async with self._finding_out:
            if self._knows_whether or self._availability.is_away:
                return self._can_continue
            for options in _WAYS_TO_CONTINUE:
                try:
                    answer = await self._server.complete(
                        PROBE, LIVE, lambda text: len(text) > 80, **options
                    )
                except Refused:
                    continue
                except ServerAway as error:
                    if error.status == 500:  # of a template, perhaps, that cannot do it
                        continue
                    self._failed(Permit(False), error)
                    return None
                if answer.text.strip().startswith(REST_OF_PROBE):
                    self._can_continue = options
                    break
            self._knows_whether = True
            return self._can_continue

    async def _answer(
        self,
        asked: Sequence[Message],
        is_enough: Callable[[str], bool],
        options: dict[str, Any],
        *,
        is_live: bool,
    ) -> Answer:
        """Raises TranslatorAway, and TranslatorError where the server is there."""
        patience = LIVE if is_live else FILE
        give_up_s = monotonic() + LIVE_TRIES_S if is_live else None
        wait_s = FIRST_WAIT_S
        while not self._is_closed:
            permit = self._availability.permit(monotonic())
            if permit is None:
                give_up_s = 0.0 if is_live else give_up_s or monotonic() + FILE_TRIES_S
                await self._wait(give_up_s, self._availability.until_probe_s(monotonic()))
                continue
            try:
                answer = await self._server.complete(asked, patience, is_enough, **options)
            except ServerAway as error:
                self._failed(permit, error)
                give_up_s = give_up_s or monotonic() + FILE_TRIES_S
                if not self._availability.is_away:
                    await self._wait(give_up_s, max(wait_s * random.uniform(0.5, 1), error.after_s))
                    wait_s *= 2
            except Refused:
                self._say_back(self._availability.answered(permit))
                raise
            except BaseException:
                self._availability.left(permit)
                raise
            else:
                self._say_back(self._availability.answered(permit))
                return answer
        raise TranslatorError("the translator is closed")

    async def _wait(self, give_up_s: float, wait_s: float) -> None:
        """Wait before the next try. Raises TranslatorAway where there is none."""
        error = self._last_error
        assert error is not None, "something has failed"
        if error.is_passing and monotonic() + wait_s <= give_up_s:
            await asyncio.sleep(wait_s)
            return
        if not self._availability.is_away:  # that it is, was said
            log.info("%s %s; a text stays untranslated", self.name, error)
        raise TranslatorAway(f"{self.name} {error}") from error

    def _failed(self, permit: Permit, error: ServerAway) -> None:
        self._last_error = error
        if self._availability.failed(permit, monotonic()):
            log.warning(
                "%s %s; it is tried again, and live captions go on untranslated meanwhile",
                self.name,
                error,
            )

    def _say_back(self, was_away: bool) -> None:
        if was_away:
            log.warning("%s is back", self.name)


def _parts(request: TranslationRequest) -> list[str]:
    """Sentences, as many together as can be asked for at once."""
    found = [""]
    for piece in pieces(request.text, request.source):
        if len(found[-1]) + len(piece) > MOST_CHARS:
            found.append("")
        found[-1] += piece
    return [part.strip() for part in found if part.strip()]
