"""What a server tells Prometheus about itself."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from .parts import PartsCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_LAG_S = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30)
_STALL_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """The instruments of one server, each with what it measures."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # CPU time and memory, on Linux
        registry.register(PartsCollector())
        self.sessions = Gauge("surtitle_sessions", "Sessions that go on.", registry=registry)
        self.viewers = Gauge("surtitle_viewers", "Viewers connected.", registry=registry)
        self.peers = Gauge("surtitle_peers", "Peers connected over WebRTC.", registry=registry)
        self.captions = Counter(
            "surtitle_captions", "Captions published, drafts and finals.", registry=registry
        )
        self.captions_sent = Counter(
            "surtitle_captions_sent", "Captions sent, to viewers and publishers.", registry=registry
        )
        self.unsent_drafts = Counter(
            "surtitle_unsent_drafts",
            "Drafts that a reader was too slow for, or that a newer one replaced.",
            registry=registry,
        )
        self.untranslated_drafts = Counter(
            "surtitle_untranslated_drafts",
            "Drafts that a newer one replaced while they waited for the translator.",
            registry=registry,
        )
        self.withheld_drafts = Counter(
            "surtitle_withheld_drafts",
            "Drafts that were not shown, as their translation changed an amount or the like.",
            registry=registry,
        )
        self.lag_s = Histogram(
            "surtitle_lag_seconds",
            "How far captions are behind the audio received, once a second in each session.",
            buckets=_LAG_S,
            registry=registry,
        )
        self.stall_s = Histogram(
            "surtitle_event_loop_stall_seconds",
            "How much later than asked for the event loop wakes up.",
            buckets=_STALL_S,
            registry=registry,
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)
