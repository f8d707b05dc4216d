"""A translator on other machines: each request is a call to whichever worker is free."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..cluster import TRANSLATOR, Cluster, ClusterAway, ClusterError, WorkersLost
from ..errors import TranslatorAway, TranslatorError
from ..events import TranslationRequest
from ..text.language_names import LANGUAGE_NAMES
from . import Translator
from .keeping import keeping

DRAFT_S = 10.0  # for a draft, which newer ones wait for
FINAL_S = 60.0  # for a final, which nobody waits for any longer
FILE_WAIT_S = 60.0  # how long a text of a file waits for a cluster that is away

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TranslatorTraits:
    """What the workers say of their translator: `targets` by source, and how many requests they
    get at once, all together."""

    name: str
    at_once: int
    targets: Mapping[str, Collection[str]]

    @classmethod
    def of(cls, translator: Translator, at_once: int) -> TranslatorTraits:
        """All languages that have a name are tried."""
        targets = {
            source: frozenset(each for each in LANGUAGE_NAMES if _knows(translator, source, each))
            for source in LANGUAGE_NAMES
        }
        known = {source: found for source, found in targets.items() if found}
        return cls(translator.name, at_once, known)


def _knows(translator: Translator, source: str, target: str) -> bool:
    try:
        translator.check(source, target)
    except TranslatorError:
        return False
    return source != target


class RemoteTranslator:
    """Knows what the workers know. While their cluster is away, live requests fail at once, and a
    request of a file waits a while. To be used on one event loop; the cluster is not closed."""

    def __init__(self, cluster: Cluster, traits: TranslatorTraits) -> None:
        self._cluster = cluster
        self._targets = traits.targets
        self.name = traits.name
        self.at_once = traits.at_once
        self._asked: set[asyncio.Future[str]] = set()
        self._is_closed = False

    def check(self, source: str, target: str) -> None:
        if target not in self._targets.get(source, ()):
            raise TranslatorError(
                f"the cluster's translator ({self.name}) does not translate {source} to {target}; "
                "`surtitle workers --checkpoint MODEL` takes one that can"
            )

    async def translate(self, request: TranslationRequest) -> str:
        """Raises TranslatorAway, and what the worker's translator raises."""
        if request.key is None:
            return await self._translated_in_time(request)
        limit_s = DRAFT_S if request.is_draft else FINAL_S
        try:
            async with asyncio.timeout(limit_s):
                return await self._translated(request)
        except TimeoutError:
            log.warning("%s has not answered in %g s; a text stays as it is", self.name, limit_s)
            raise TranslatorAway(f"{self.name} does not answer") from None
        except ClusterError as error:
            raise TranslatorAway(f"{self.name}: {error}") from error

    async def aclose(self) -> None:
        self._is_closed = True
        for answer in self._asked:
            answer.cancel()

    async def _translated_in_time(self, request: TranslationRequest) -> str:
        """Of a file: it waits for a cluster that is away, and is asked again when that is back."""
        while True:
            try:
                return await self._translated(request)
            except WorkersLost as error:
                raise TranslatorError(f"{self.name}: {error}") from error
            except ClusterAway as error:
                if not await asyncio.to_thread(self._cluster.wait, FILE_WAIT_S):
                    raise TranslatorAway(f"{self.name}: {error}") from error

    async def _translated(self, request: TranslationRequest) -> str:
        if self._is_closed:
            raise TranslatorError("the translator is closed")
        asked = asyncio.wrap_future(self._cluster.submit(TRANSLATOR, "translate", request))
        self._asked.add(asked)
        try:
            return await asked
        except asyncio.CancelledError:
            if self._is_closed and not _is_cancelled():
                raise TranslatorError("the translator was closed") from None
            raise
        finally:
            self._asked.discard(asked)


def _is_cancelled() -> bool:
    """Whether it is the caller who was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@keeping
def open_remote(cluster: Cluster, traits: TranslatorTraits) -> Translator:
    """The translator of a cluster's workers, behind the rules that stand in front of all."""
    return RemoteTranslator(cluster, traits)
