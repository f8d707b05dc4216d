"""What a recognizer makes of live speech on a machine that is fast enough for all its drafts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from ..audio.pcm import SAMPLE_RATE_HZ
from ..events import Samples, Utterance, Word, joined_text
from ..recognizers import LanguageGuess, Recognizer
from ..recognizers.redecoding import RedecodingListener
from ..recognizers.vad import Vad

PIECE_SAMPLES = SAMPLE_RATE_HZ // 4
QUIET_TURNS = 3  # of the event loop, in which nothing is done: all that was pushed is heard
TURN_S = 0.001


class _Decoder:
    """A recognizer for one listener, without a queue: each decoding is there at once, as far as the
    listener can tell from its sound."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.is_busy = False

    async def recognize(
        self,
        make_utterance: Callable[[], Utterance],
        language: str,
        terms: tuple[str, ...] = (),
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = 1,
    ) -> list[Word]:
        def recognize() -> list[Word]:
            utterance = make_utterance()
            if not utterance.samples.size:
                return []
            return self._recognizer.recognize(utterance, language, terms, is_draft=is_draft)

        self.is_busy = True
        try:
            return await asyncio.to_thread(recognize)
        finally:
            self.is_busy = False

    async def guess_language(
        self,
        make_utterance: Callable[[], Utterance],
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int,
    ) -> LanguageGuess | None:
        return None  # it is named

    def withdraw(self, owner: Hashable) -> None:
        pass  # nothing waits


async def live_text(recognizer: Recognizer, language: str, samples: Samples) -> str:
    """The words that became certain, with drafts and their seams as in a live session."""
    decoder = _Decoder(recognizer)
    listener = RedecodingListener(decoder, language, (), lambda: Vad(recognizer.live_vad))
    words: list[Word] = []

    async def read() -> None:
        async for hypothesis in listener.hypotheses():
            words.extend(hypothesis.committed)

    async def speak() -> None:
        for at in range(0, samples.size, PIECE_SAMPLES):
            listener.push(samples[at : at + PIECE_SAMPLES])
            quiet = 0
            while quiet < QUIET_TURNS:
                await asyncio.sleep(TURN_S)
                quiet = 0 if decoder.is_busy or listener.ahead_ms else quiet + 1
        listener.end()

    await listener.begin()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        tasks.create_task(speak())
    return joined_text(words)
