"""What `surtitle workers` deploys: one Serve application for each service."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..cluster import OTHER_LANGUAGES, RECOGNIZER, TRANSLATOR, ClusterError
from ..config import RecognizerConfig, TranslatorConfig
from .replicas import RecognizerReplica, TranslatorReplica

SERVICES = (TRANSLATOR, RECOGNIZER, OTHER_LANGUAGES)
TEXTS_AT_ONCE, TEXTS_AT_ONCE_ON_GPU = 16, 128  # in a translator, which batches them
TRIES, WAIT_S = 3, 2.0  # Serve comes up slowly on machines that are busy
UTTERANCES_AT_ONCE = 2  # in a recognizer: one that is heard, and the next
MORE_AFTER_S, FEWER_AFTER_S = 5.0, 300.0  # for so long there has been more, or less, to do
# Else Ray's own is 15, with which a worker starves beside anything else that is busy.
LIVE = {"env_vars": {"RAY_worker_niceness": "0"}}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Amount:
    """How many replicas of a kind there are, `fewest` when nothing is to be done and `most` when
    calls wait, and what part of a GPU each takes; a core each takes as well."""

    fewest: int
    most: int
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.fewest <= self.most <= 10_000 or (self.most and not self.fewest):
            raise ValueError(
                f"replicas are a number, or from 1 on like 1-8, got {self.fewest}-{self.most}"
            )
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise ValueError(f"a replica takes a part of a GPU or whole ones, got {self.gpus:g}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deploy. `other_languages` is None where one recognizer hears all there are. With
    `spreads` a machine has no more replicas of a kind than its share: with the machine they go."""

    translators: Amount
    translator: TranslatorConfig
    recognizers: Amount
    recognizer: RecognizerConfig
    other_languages: RecognizerConfig | None = None
    spreads: bool = False

    @property
    def texts_at_once(self) -> int:
        """How many a translator gets at once."""
        if self.translator.is_address:
            return self.translator.llm_requests
        return TEXTS_AT_ONCE_ON_GPU if self.translators.gpus else TEXTS_AT_ONCE


@dataclass(frozen=True, slots=True)
class State:
    """Of a service: replicas that run, and those that start; `message` says what is wrong."""

    running: int
    starting: int
    message: str = ""


def application(service: str) -> str:
    """What Serve calls it."""
    return f"surtitle-{service}"


def deploy(plan: Plan) -> list[str]:
    """Deploy what is planned, in the place of what is there; return the services. Blocks, but does
    not wait for the replicas."""
    serve = import_module("ray.serve")
    serve.start(proxy_location="Disabled")  # nothing of it can be reached but by Ray itself
    targets: dict[str, Any] = {}
    machines = _machine_count() if plan.spreads else 1
    if plan.translators.most:
        replica = _deployment(TranslatorReplica, plan.translators, plan.texts_at_once, machines)
        at_once = plan.translators.most * plan.texts_at_once
        targets[TRANSLATOR] = replica.bind(plan.translator, at_once)
    if plan.recognizers.most:
        replica = _deployment(RecognizerReplica, plan.recognizers, UTTERANCES_AT_ONCE, machines)
        targets[RECOGNIZER] = replica.bind(plan.recognizer, plan.recognizers.most)
        if plan.other_languages is not None:
            targets[OTHER_LANGUAGES] = replica.bind(plan.other_languages, plan.recognizers.most)
    remove([service for service in states() if service not in targets])
    serve.run_many(
        [
            serve.RunTarget(target, name=application(service), route_prefix=None)
            for service, target in targets.items()
        ],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
    return list(targets)


def _machine_count() -> int:
    """Of those that have cores to work on."""
    nodes: list[dict[str, Any]] = import_module("ray").nodes()
    return max(1, sum(each["Alive"] and each["Resources"].get("CPU", 0) >= 1 for each in nodes))


def _deployment(replica: type, amount: Amount, at_once: int, machines: int) -> Any:
    serve = import_module("ray.serve")
    options: dict[str, Any] = {"num_replicas": amount.fewest}
    if amount.most > amount.fewest:
        # By the number of calls that wait or run: half of what a replica takes is to be free, so
        # that one that has to start is there before calls wait.
        scaling = {
            "min_replicas": amount.fewest,
            "max_replicas": amount.most,
            "target_ongoing_requests": at_once / 2,
            "upscale_delay_s": MORE_AFTER_S,
            "downscale_delay_s": FEWER_AFTER_S,
        }
        options = {"autoscaling_config": scaling}
    if machines > 1:
        options["max_replicas_per_node"] = math.ceil(amount.most / machines)
    return serve.deployment(
        replica,
        max_ongoing_requests=at_once,
        ray_actor_options={"num_cpus": 1, "num_gpus": amount.gpus, "runtime_env": LIVE},
        health_check_period_s=2.0,
        health_check_timeout_s=10.0,
        graceful_shutdown_timeout_s=10.0,
        **options,
    )


def states() -> Mapping[str, State]:
    """Of each service that is deployed. Blocks. Raises ClusterError."""
    serve = import_module("ray.serve")
    try:
        applications = serve.status().applications
    except Exception as error:  # of Ray, of many classes
        raise ClusterError(f"Ray Serve does not answer: {error}") from error
    found: dict[str, State] = {}
    for service in SERVICES:
        status = applications.get(application(service))
        if status is None:
            continue
        replicas: dict[str, int] = {}
        messages = [status.message]
        for deployment in status.deployments.values():
            for state, count in deployment.replica_states.items():
                replicas[state] = replicas.get(state, 0) + count
            messages.append(deployment.message)
        found[service] = State(
            replicas.get("RUNNING", 0),
            replicas.get("STARTING", 0) + replicas.get("UPDATING", 0),
            brief(max(messages, key=len)),
        )
    return found


def brief(message: str) -> str:
    """Of what Serve says the first sentence; of a trace, the last line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if "Traceback" in message:
        return lines[-1]
    return lines[0].partition(". ")[0].rstrip(".") if lines else ""


def remove(services: list[str]) -> None:
    """Take down what is deployed. Blocks."""
    serve = import_module("ray.serve")
    for service in services:
        serve.delete(application(service))


async def deployed(method: str, arguments: tuple[Any, ...]) -> Any:
    """Calls of `surtitle workers` in the process with the connection."""
    calls: dict[str, Callable[..., Any]] = {"deploy": deploy, "states": states, "remove": remove}
    for tries_left in reversed(range(TRIES)):
        try:
            return await asyncio.to_thread(calls[method], *arguments)
        except ClusterError:
            raise
        except Exception as error:  # of Ray, of many classes
            log.info("Ray Serve has failed", exc_info=error)
            if not tries_left:
                raise ClusterError(f"Ray Serve has failed: {brief(str(error))}") from error
        await asyncio.sleep(WAIT_S)
