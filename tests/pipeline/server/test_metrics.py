from __future__ import annotations

import re
import sys

import pytest

from surtitle.pipeline.server.metrics import Metrics


def test_what_was_counted_is_told() -> None:
    metrics = Metrics()
    metrics.sessions.set(2)
    metrics.captions_sent.inc(7)
    metrics.lag_s.observe(0.6)
    text = metrics.text().decode()
    assert "surtitle_sessions 2.0" in text
    assert "surtitle_captions_sent_total 7.0" in text
    assert 'surtitle_lag_seconds_bucket{le="1.0"} 1.0' in text


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_what_the_server_costs_is_told() -> None:
    (line,) = re.findall(r"^process_cpu_seconds_total (.*)$", Metrics().text().decode(), re.M)
    assert float(line) > 0


def test_two_servers_count_for_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.captions.inc()
    assert "surtitle_captions_total 0.0" in second.text().decode()
