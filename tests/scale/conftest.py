"""What all tests of a cluster share: one cluster, for each file of tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from surtitle.pipeline.workers.access import set_up_environment

from .cluster import Nodes, two_nodes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def token() -> str:
    return secrets.token_hex()


@pytest.fixture(scope="module", autouse=True)
def environment(token: str) -> Iterator[None]:
    """What Ray looks at once, when it is imported."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: make test-scale")
    before = dict(os.environ)
    set_up_environment("127.0.0.1:0")
    os.environ["RAY_AUTH_TOKEN"] = token
    # A machine that runs tests may be so slow that all seems dead.
    os.environ["RAY_health_check_timeout_ms"] = "60000"
    # Where replicas find the workers of the tests.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def nodes(environment: None) -> Iterator[Nodes]:
    with two_nodes() as nodes:
        yield nodes
