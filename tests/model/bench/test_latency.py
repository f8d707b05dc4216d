from collections.abc import Iterator

import pytest

from surtitle.model.bench import latency
from surtitle.model.bench.latency import TIMED_SENTENCES, Latency, measure_latency, timed_sentences


def test_sentences_of_15_to_18_words_are_timed_each_once() -> None:
    lengths = [3, 14, 15, 16, 16, 18, 19, 40]
    texts = [" ".join(["word"] * length) for length in lengths]
    found = [len(text.split()) for text in timed_sentences(texts)]
    assert found == [15, 16, 18, 14, 19, 3, 40]
    assert len(timed_sentences([f"sentence {n}" for n in range(100)])) == TIMED_SENTENCES


def test_the_first_run_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        for duration in (9, *range(10, 0, -1)):
            yield now
            yield (now := now + duration)

    monkeypatch.setattr(latency.time, "perf_counter", clock().__next__)
    translated: list[str] = []
    found = measure_latency(translated.append, list("abcdefghij"))
    assert "".join(translated) == "aabcdefghij"
    assert found == Latency(median_ms=5500, p90_ms=9000)
