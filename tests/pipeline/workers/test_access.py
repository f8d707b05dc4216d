"""Which cluster is meant, and what is refused; without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.workers.access import cluster_address, found_address, set_up_environment


@pytest.mark.parametrize("text", ["auto", "192.0.2.7:6379", "head.example:6379", "[::1]:6379"])
def test_an_address_is_auto_or_a_host_with_a_port(text: str) -> None:
    assert cluster_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "192.0.2.7", "http://head:6379", "head:0", "head:70000", "head:port", "a b:1"]
)
def test_anything_else_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match="auto, or an address like 192.0.2.7:6379, got"):
        cluster_address(text)


def test_an_address_of_ray_client_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="ray start --address HOST:6379 --num-cpus 0"):
        cluster_address("ray://head:10001")


def test_auto_is_where_ray_says_that_its_cluster_is(tmp_path: Path) -> None:
    written = tmp_path / "ray_current_cluster"
    assert found_address("auto", {}, written) is None
    written.write_text("192.0.2.7:6379\n")
    assert found_address("auto", {}, written) == "192.0.2.7:6379"
    assert found_address("auto", {"RAY_ADDRESS": "192.0.2.8:6379"}, written) == "192.0.2.8:6379"
    assert found_address("192.0.2.9:6379", {}, written) == "192.0.2.9:6379"


@pytest.mark.parametrize(
    ("address", "is_alone"),
    [(None, True), ("127.0.0.1:6379", True), ("[::1]:6379", True), ("192.0.2.7:6379", False)],
)
def test_ray_is_told_to_want_a_token_and_to_report_nothing(
    address: str | None, is_alone: bool
) -> None:
    environment = {"RAY_AUTH_MODE": "disabled"}
    set_up_environment(address, environment)
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert (environment.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0") == is_alone
