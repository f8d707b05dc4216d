"""`surtitle workers`: recognition and translation on the machines of a Ray cluster."""

from __future__ import annotations

import argparse
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from ..cluster.process import ClusterProcess
from ..config import RecognizerConfig
from ..recognizers.choice import for_other_languages
from ..workers.access import AUTO, cluster_address
from ..workers.connection import DEPLOYMENTS, open_cluster
from ..workers.deployments import Amount, Plan, State
from ..workers.local import local_cluster
from .options import (
    add_ray_option,
    add_recognizer_options,
    add_translator_options,
    translator_config,
)
from .stopping import Stop

LOOK_EVERY_S = 2.0


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "workers",
        help="recognize and translate on the machines of a Ray cluster",
        description="Deploys recognizers and translators in a Ray cluster, for `surtitle serve "
        "--ray`, and watches them until Ctrl-C, which takes them down again.",
    )
    add_ray_option(
        parser,
        "auto (default): the cluster of this computer, which is started if there is none; or "
        "HOST:PORT of one that this computer is a part of",
        default=AUTO,
    )
    for kind in ("translators", "recognizers"):
        parser.add_argument(
            f"--{kind}",
            default="1",
            metavar="N",
            help="how many; 1-8: as many as there is work for; 0: none; default: 1",
        )
        parser.add_argument(
            f"--{kind.removesuffix('s')}-gpus",
            type=float,
            default=0.0,
            metavar="PART",
            help=f"of a GPU that each of the {kind} takes, like 0.25; default: 0, a core alone",
        )
    parser.add_argument(
        "--spread",
        action="store_true",
        help="no machine gets more of a kind than its share, so that one that goes takes no more; "
        "what has gone with it starts again when it is back, or another is there",
    )
    add_recognizer_options(parser)
    add_translator_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        address = cluster_address(arguments.ray)
        plan = _plan(arguments)
    except ValueError as error:
        print(f"surtitle workers: {error}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        if address == AUTO:
            stack.enter_context(local_cluster(_say, lambda: stop.is_wanted))
        cluster = open_cluster(address)
        stack.callback(cluster.close)
        services: list[str] = cluster.submit(DEPLOYMENTS, "deploy", plan).result()
        stack.callback(_remove, cluster, services)
        _say(f"Deployed: {', '.join(services)}; Ctrl-C takes them down")
        _watch(cluster, stop)
    return 0


def _plan(arguments: argparse.Namespace) -> Plan:
    """Raises ValueError."""
    recognizer = RecognizerConfig(arguments.asr, arguments.asr_model)
    plan = Plan(
        _amount(arguments.translators, arguments.translator_gpus),
        translator_config(arguments),
        _amount(arguments.recognizers, arguments.recognizer_gpus),
        recognizer,
        for_other_languages(recognizer),
        arguments.spread,
    )
    if not plan.translators.most and not plan.recognizers.most:
        raise ValueError("with neither --translators nor --recognizers there is nothing to do")
    return plan


def _amount(text: str, gpus: float) -> Amount:
    """Raises ValueError."""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if found is None:
        raise ValueError(f"replicas are a number like 2, or from 1 on like 1-8, got {text!r}")
    return Amount(int(found[1]), int(found[2] or found[1]), gpus)


def _watch(cluster: ClusterProcess, stop: Stop) -> None:
    """Tell what changes, until a stop is wanted."""
    shown: Mapping[str, State] = {}
    pause = threading.Event()
    while not stop.is_wanted:
        asked = cluster.submit(DEPLOYMENTS, "states")
        while not asked.done() and not stop.is_wanted:
            pause.wait(0.1)
        if asked.done() and asked.exception() is None:
            states: Mapping[str, State] = asked.result()
            for service, state in states.items():
                if state != shown.get(service):
                    _say(state_line(service, state))
            shown = states
        for _ in range(int(LOOK_EVERY_S / 0.1)):
            if stop.is_wanted:
                return
            pause.wait(0.1)


def state_line(service: str, state: State) -> str:
    line = f"{service}: {state.running} running"
    if state.starting:
        line += f", {state.starting} starting"
    return f"{line} ({state.message})" if state.message else line


def _remove(cluster: ClusterProcess, services: list[str]) -> None:
    _say("Taking them down")
    if not cluster.is_away:
        cluster.submit(DEPLOYMENTS, "remove", services).exception(60)


def _say(line: str) -> None:
    print(line, flush=True)
