"""Who asks a cluster for its name without a token is to be refused; else the cluster is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import pytest

from surtitle.pipeline.cluster import ClusterAway, ClusterError
from surtitle.pipeline.workers.access import probe

from .cluster import Nodes

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("default")]


@pytest.fixture
def open_to_all() -> Iterator[str]:
    """The address of a cluster that answers whoever asks."""
    grpc: Any = import_module("grpc")
    messages: Any = import_module("ray.core.generated.gcs_service_pb2")
    services: Any = import_module("ray.core.generated.gcs_service_pb2_grpc")

    class Open(services.NodeInfoGcsServiceServicer):
        def GetClusterId(self, request: Any, context: Any) -> Any:
            return messages.GetClusterIdReply()

    server = grpc.server(ThreadPoolExecutor(1))
    services.add_NodeInfoGcsServiceServicer_to_server(Open(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_a_cluster_that_asks_for_no_token_is_refused_with_the_remedy(open_to_all: str) -> None:
    with pytest.raises(ClusterError, match="asks nobody for a token; stop it, and start it with"):
        probe(open_to_all)


def test_a_cluster_that_asks_for_a_token_may_be_used(nodes: Nodes) -> None:
    probe(nodes.address)


def test_where_nobody_answers_there_is_no_cluster(open_to_all: str) -> None:
    with pytest.raises(ClusterAway, match="no cluster answers at 127.0.0.1:1 "):
        probe("127.0.0.1:1")
