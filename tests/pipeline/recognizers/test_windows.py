import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers.windows import WINDOW_SAMPLES, Window, full_windows


def stretch(start_s: float, length_s: float) -> Utterance:
    samples = np.full(round(length_s * SAMPLE_RATE_HZ), start_s, np.float32)
    return Utterance(round(start_s * SAMPLE_RATE_HZ), samples)


def lengths_s(windows: list[Window]) -> list[list[float]]:
    return [[s.samples.size / SAMPLE_RATE_HZ for s in window.stretches] for window in windows]


def test_windows_are_filled_in_order():
    stretches = [stretch(10 * at, length) for at, length in enumerate([10, 12, 9, 21, 30, 1])]
    windows = full_windows(stretches)
    assert lengths_s(windows) == [[10, 12], [9, 21], [30], [1]]
    assert all(window.samples.size <= WINDOW_SAMPLES for window in windows)


def test_without_speech_there_are_no_windows():
    assert full_windows([]) == []
    assert full_windows([Utterance(0, np.zeros(15, np.float32))]) == []


def test_words_are_where_they_were_said():
    window = Window((stretch(5, 2), stretch(60, 3)))
    words = [Word("a", 100, 1900, 1.0), Word("b", 2100, 2500, 0.5, is_joined=True)]
    assert window.in_media_time(words) == [
        Word("a", 5100, 6900, 1.0),
        Word("b", 60_100, 60_500, 0.5, is_joined=True),
    ]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "placed"),
    [(1500, 2300, (6500, 7000)), (1900, 2600, (60_000, 60_600)), (4990, 5200, (62_990, 63_000))],
)
def test_a_word_does_not_reach_out_of_its_stretch(
    start_ms: int, end_ms: int, placed: tuple[int, int]
):
    (word,) = Window((stretch(5, 2), stretch(60, 3))).in_media_time(
        [Word("a", start_ms, end_ms, 1.0)]
    )
    assert (word.start_ms, word.end_ms) == placed


def test_times_add_up_over_many_stretches_of_odd_lengths():
    stretches = [Utterance(100_000 * at, np.zeros(3333, np.float32)) for at in range(100)]
    (window,) = full_windows(stretches)
    (word,) = window.in_media_time([Word("last", 99 * 208 + 50, 99 * 208 + 100, 1.0)])
    assert (word.start_ms, word.end_ms) == (99 * 6250 + 50, 99 * 6250 + 100)
