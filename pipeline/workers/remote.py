"""What a server uses of a cluster: the recognizer and the translator of its workers, behind the
same pool and queue as its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from ..cluster import OTHER_LANGUAGES, RECOGNIZER, TRANSLATOR, Cluster, ClusterError
from ..config import RecognizerConfig
from ..recognizers import LiveRecognizer
from ..recognizers.by_language import PoolsByLanguage
from ..recognizers.child_process import ChildProcessRecognizer
from ..recognizers.choice import for_other_languages, open_recognizer
from ..recognizers.hosted import open_pool
from ..recognizers.pool import RecognizerPool
from ..recognizers.remote import RemoteRecognizer, StandIn
from ..translators import Translator
from ..translators.remote import TranslatorTraits, open_remote
from .connection import DEPLOYMENTS
from .deployments import State

READY_S = 300.0  # for the first worker of a service, which loads its weights

Say = Callable[[str], None]

log = logging.getLogger(__name__)


def open_translator_of(cluster: Cluster, say: Say) -> Translator | None:
    """The translator of a cluster's workers; None where it has none. Raises ClusterError."""
    if TRANSLATOR not in _states(cluster):
        return None
    say("Waiting for the cluster's translator")
    traits: TranslatorTraits = _traits(cluster, TRANSLATOR)
    say(f"Translating in the cluster, with {traits.name}")
    return open_remote(cluster, traits)


def open_recognizer_of(
    cluster: Cluster, config: RecognizerConfig, say: Say
) -> LiveRecognizer | None:
    """The recognizer of a cluster's workers; None where it has none. While the cluster is away, the
    one of `config` listens here. Raises ClusterError."""
    states = _states(cluster)
    if RECOGNIZER not in states:
        return None
    say("Waiting for the cluster's recognizer")
    stand_in = StandIn(
        lambda: ChildProcessRecognizer(partial(open_recognizer, config, None), log.info)
    )
    pool = _pool(cluster, RECOGNIZER, stand_in)
    say(f"Recognizing in the cluster, with {pool.name}")
    others: RecognizerPool | None = None
    if OTHER_LANGUAGES in states and states[OTHER_LANGUAGES].running:
        others = _pool(cluster, OTHER_LANGUAGES, stand_in)
        say(f"Other languages: {others.name}")
    elif (others_here := for_other_languages(config)) is not None:
        say("Other languages are recognized here, as no worker for them runs in the cluster")
        others = open_pool(others_here, None, say)
    if others is None or pool.languages >= others.languages:
        return pool
    return PoolsByLanguage({language: pool for language in pool.languages}, others)


def _pool(cluster: Cluster, service: str, stand_in: StandIn) -> RecognizerPool:
    traits, most = _traits(cluster, service)
    return RecognizerPool(
        [RemoteRecognizer(cluster, service, traits, stand_in) for _ in range(most)]
    )


def _traits(cluster: Cluster, service: str) -> Any:
    """Raises ClusterError."""
    try:
        return cluster.submit(service, "traits").result(READY_S)
    except TimeoutError:
        raise ClusterError(
            f"no {service} of the cluster is ready after {READY_S:g} s; `surtitle workers` tells "
            "what they wait for, as for cores or GPUs that are free"
        ) from None


def _states(cluster: Cluster) -> dict[str, State]:
    """Raises ClusterError where nothing is deployed."""
    states: dict[str, State] = cluster.submit(DEPLOYMENTS, "states").result(60)
    if not states:
        raise ClusterError(
            "the cluster has no workers of ours; start them: "
            "surtitle workers --ray ADDRESS --translators 2 --recognizers 2"
        )
    return states
