"""Which cluster is meant, and whether it may be used: Ray's ports run code for whoever reaches
them, so that one that asks for no token is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cluster import ClusterAway, ClusterError
from ..config import is_loopback

AUTO = "auto"
CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")  # where Ray writes it
PROBE_S = 10.0
INSTALL = "Ray is not installed; pip install 'surtitle[ray]'"
REMEDY = (
    "stop it, and start it with a token: `RAY_AUTH_MODE=token ray start --head` "
    "(docs/workers.md has the lines)"
)


def cluster_address(text: str) -> str:
    """An address as it is given, checked: "auto" or HOST:PORT. Raises ValueError."""
    if text == AUTO:
        return text
    if text.startswith("ray://"):
        raise ValueError(
            f"{text!r} is an address of Ray Client, which cannot be used here: let this computer "
            "join the cluster (`ray start --address HOST:6379 --num-cpus 0`), and say auto"
        )
    found = re.fullmatch(r"\[?[^\s/\[\]]+?\]?:(\d{1,5})", text)
    if found is None or not 0 < int(found[1]) <= 65_535:
        raise ValueError(f"a cluster is auto, or an address like 192.0.2.7:6379, got {text!r}")
    return text


def found_address(
    address: str, environment: Mapping[str, str] = os.environ, written: Path = CURRENT_CLUSTER
) -> str | None:
    """HOST:PORT of a cluster; of "auto", of that of which this computer is a part. None where there
    is none: where Ray itself looks for it, nothing is found."""
    if address != AUTO:
        return address
    if named := environment.get("RAY_ADDRESS", ""):
        return named if named != AUTO else None
    try:
        return written.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def set_up_environment(
    address: str | None, environment: MutableMapping[str, str] = os.environ
) -> None:
    """What Ray is to find when it is imported; `address` None: a cluster that is started here."""
    environment["RAY_AUTH_MODE"] = "token"
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None or is_loopback(address.rpartition(":")[0].strip("[]")):
        # Else Ray takes "127.0.0.1" for the address by which others see this computer.
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def probe(address: str) -> None:
    """Ask a cluster, without a token, who it is. Raises ClusterAway where nobody answers, and
    ClusterError where it answers more than that a token is missing."""
    try:
        grpc: Any = import_module("grpc")
        messages: Any = import_module("ray.core.generated.gcs_service_pb2")
        services: Any = import_module("ray.core.generated.gcs_service_pb2_grpc")
    except ImportError as error:
        raise ClusterError(INSTALL) from error
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = services.NodeInfoGcsServiceStub(channel).GetClusterId
        try:
            ask(messages.GetClusterIdRequest(), timeout=PROBE_S)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return
            raise ClusterAway(
                f"no cluster answers at {address} ({error.code().name.lower()})"
            ) from error
    raise ClusterError(f"the cluster at {address} asks nobody for a token; {REMEDY}")
