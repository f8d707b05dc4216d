"""A worker subtitles a recording, alone or helped by another; without Ray."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from surtitle.pipeline.audio.container import AudioChoice
from surtitle.pipeline.cluster import Failure
from surtitle.pipeline.config import BatchConfig, RecognizerConfig, TranslatorConfig
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.events import Utterance
from surtitle.pipeline.jobs.setup import Setup
from surtitle.pipeline.subtitles.outputs import Input
from surtitle.pipeline.workers import sharing
from surtitle.pipeline.workers.sharing import Words
from surtitle.pipeline.workers.subtitler import Done, Errand, Look, Subtitler

from ...patience import PATIENCE_S

HARBOR = Path(__file__).parents[3] / "samples/harbor.flac"
DOCUMENTS = Setup(RecognizerConfig(), "en", False, TranslatorConfig("echo"), [], False)
RECORDINGS = replace(DOCUMENTS, recognizer=RecognizerConfig("moonshine"), listens=True)


def errand(path: Path, *targets: str) -> Errand:
    config = BatchConfig("en", targets, ("srt",), output_dir=path.parent)
    return Errand(Input(path, config, Path(path.name)), AudioChoice(), False, False)


def handle(subtitler: Subtitler) -> Any:
    """As other processes have it."""
    return SimpleNamespace(hear=SimpleNamespace(remote=subtitler.hear))


def test_a_worker_that_does_not_see_the_recording_says_what_to_do(tmp_path: Path) -> None:
    answer = asyncio.run(Subtitler(DOCUMENTS).subtitle(errand(tmp_path / "a.wav")))
    assert isinstance(answer, Failure) and answer.error is MediaError
    assert "must be in folders that all machines of the cluster see" in answer.message


def test_a_worker_subtitles_a_document(tmp_path: Path) -> None:
    path = tmp_path / "a.en.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nGood morning\n")
    config = BatchConfig("en", ("es",), ("srt",))
    given = Input(path, config, tmp_path / "a.srt", is_document=True)
    answer = asyncio.run(Subtitler(DOCUMENTS).subtitle(Errand(given, AudioChoice(), False, False)))
    assert isinstance(answer, Done)
    assert list(answer.outcome.written) == [tmp_path / "a.es.srt"]
    assert "Good morning" in (tmp_path / "a.es.srt").read_text()


class Harbor:
    """The sample in a folder of its own, and what two workers make of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "harbor.flac"
        self.path.symlink_to(HARBOR)
        self.first, self.second = Subtitler(RECORDINGS), Subtitler(RECORDINGS)
        self.looks: list[Look] = []

    async def subtitled(self, errand: Errand, helper: Any = None) -> str:
        """By the first, whom the helper helps as soon as that is wanted."""
        working = asyncio.create_task(self.first.subtitle(errand))
        has_helped = helper is None
        async with asyncio.timeout(PATIENCE_S):
            while not (await asyncio.wait([working], timeout=0.02))[0]:
                self.looks.append(await self.first.look())
                if not has_helped and self.looks[-1].wants_help:
                    has_helped = True
                    await self.first.help(helper)
        done = working.result()
        assert isinstance(done, Done) and has_helped
        (path,) = done.outcome.written
        assert done.outcome.duration_ms == self.looks[-1].done_ms or self.looks
        text = path.read_text()
        path.unlink()
        return text


@pytest.fixture
def harbor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harbor:
    monkeypatch.setattr(sharing, "PIECE_SAMPLES", 1)
    return Harbor(tmp_path)


def test_two_make_the_same_of_a_recording_as_one(harbor: Harbor) -> None:
    async def scenario() -> tuple[str, str]:
        alone = await harbor.subtitled(errand(harbor.path))
        return alone, await harbor.subtitled(errand(harbor.path), handle(harbor.second))

    alone, together = asyncio.run(scenario())
    assert together == alone
    assert harbor.second._ears is not None, "it has heard a part"


def test_a_helper_that_dies_changes_nothing(harbor: Harbor) -> None:
    async def die(utterances: list[Utterance], language: str, terms: tuple[str, ...]) -> Words:
        raise ConnectionError("as Ray says that in its own words")

    async def scenario() -> tuple[str, str]:
        dead = SimpleNamespace(hear=SimpleNamespace(remote=die))
        alone = await harbor.subtitled(errand(harbor.path))
        return alone, await harbor.subtitled(errand(harbor.path), dead)

    alone, together = asyncio.run(scenario())
    assert together == alone


def test_who_comes_after_one_that_was_lost_need_not_hear_the_same(harbor: Harbor) -> None:
    async def scenario() -> tuple[str, str]:
        first = await harbor.subtitled(errand(harbor.path))
        known = {place: words for look in harbor.looks for place, words in look.fresh.items()}
        assert len(known) > 2
        for words in known.values():
            words[0] = replace(words[0], text="KNOWN")
        return first, await harbor.subtitled(replace(errand(harbor.path), known=known))

    first, again = asyncio.run(scenario())
    assert "KNOWN" not in first and "KNOWN" in again
