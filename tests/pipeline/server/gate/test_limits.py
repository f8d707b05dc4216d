from __future__ import annotations

from dataclasses import replace

import pytest

from surtitle.pipeline.config import ServerConfig
from surtitle.pipeline.server.gate.limits import PATIENCE_S, Place, Places, fit, fit_to_this_process

resource = pytest.importorskip("resource", reason="the bound of open files is POSIX")


def take(places: Places, address: str, now_s: float, gone: list[Place] | None = None) -> Place:
    place = places.take(address, now_s)
    assert place is not None
    place.let_go = lambda: (gone if gone is not None else []).append(place)
    return place


def test_beyond_the_last_place_one_is_refused_until_a_place_is_given_back() -> None:
    places = Places(2, 2)
    first = take(places, "10.0.0.1", 0)
    take(places, "10.0.0.2", 0)
    assert places.take("10.0.0.3", 0) is None
    first.leave()
    first.leave()
    assert places.take("10.0.0.3", 0) is not None
    assert len(places) == 2


def test_one_address_holds_only_so_many_until_it_shows_a_token() -> None:
    places = Places(10, 2)
    hers = [take(places, "10.0.0.1", 0) for _ in range(2)]
    assert places.take("10.0.0.1", 0) is None
    assert places.take("10.0.0.2", 0) is not None
    hers[0].know()
    hers[0].know()
    assert places.take("10.0.0.1", 0) is not None
    hers[0].leave()  # a known one: the unknown ones of its address are still two
    assert places.take("10.0.0.1", 0) is None


def test_the_network_of_a_host_counts_as_one_address_in_ipv6() -> None:
    places = Places(10, 1)
    take(places, "2001:db8:1:2::1", 0)
    assert places.take("2001:db8:1:2:ffff::9", 0) is None
    assert places.take("2001:db8:1:3::1", 0) is not None
    take(places, "::ffff:10.0.0.1", 0)
    assert places.take("10.0.0.1", 0) is None


def test_who_has_owed_a_request_longest_gives_way() -> None:
    places, gone = Places(3, 3), []
    served, early, late = (take(places, "10.0.0.1", now_s, gone) for now_s in (0, 1, 2))
    served.waits_since_s = None
    assert places.take("10.0.0.2", 1 + PATIENCE_S / 2) is None
    assert places.take("10.0.0.2", 3 + PATIENCE_S) is not None
    assert gone == [early]
    late.know()
    assert places.take("10.0.0.2", 4 + PATIENCE_S) is None  # that one holds no connection yet


def test_an_address_makes_room_for_itself_only_from_its_own() -> None:
    places, gone = Places(10, 1), []
    take(places, "10.0.0.1", 0, gone)
    hers = take(places, "10.0.0.2", 5, gone)
    assert places.take("10.0.0.2", 10) is not None
    assert gone == [hers]


def test_caps_are_lowered_to_the_descriptors() -> None:
    config = ServerConfig()
    assert fit(config, None) is config
    assert fit(config, 4096) is config
    fitted = fit(config, 256)
    assert fitted == replace(
        config,
        max_peers=8,
        max_connections=112,
        max_address_connections=28,
        max_viewers=80,
        max_room_viewers=80,
    )
    assert fit(config, 20).max_connections > 0 < fit(config, 20).max_viewers


def test_a_low_limit_is_raised_as_far_as_it_may_be_and_told_where_that_is_too_little() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    told: list[str] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
        config = ServerConfig(max_connections=300, max_address_connections=75, max_viewers=200)
        assert fit_to_this_process(config, told.append) is config
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300 + 64 + 4 * 16 + 2 * 50
        assert told == []
        too_many = replace(config, max_connections=1 << 40)
        assert (
            fit_to_this_process(too_many, told.append).max_connections == before[1] - 128 - 2 * 50
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (line,) = told
    assert "may open too few files" in line and "ulimit -n" in line and "\n" not in line


def test_caps_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="max_address_connections <= max_connections .* 651 and"):
        ServerConfig(max_connections=650, max_address_connections=651)
