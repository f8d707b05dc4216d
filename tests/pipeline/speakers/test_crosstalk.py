from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.events import AudioChunk, SourceSegment, Word
from surtitle.pipeline.speakers.crosstalk import (
    STEP_MS,
    STEP_SAMPLES,
    Channel,
    Powers,
    drowned,
    muted,
    powers,
    without_crosstalk,
)


def loud(*steps: float) -> Powers:
    return np.array(steps, np.float32)


def test_the_powers_of_a_channel_do_not_depend_on_its_chunks() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 5 * STEP_SAMPLES + 700).astype(np.float32)
    whole = powers([AudioChunk(0, samples)])
    assert whole.size == 6 and whole[0] == pytest.approx(np.square(samples[:STEP_SAMPLES]).mean())
    parts = [AudioChunk(0, samples[:900]), AudioChunk(900, samples[900:])]
    np.testing.assert_array_equal(powers(parts), whole)


def test_a_voice_from_afar_is_drowned_in_its_pauses_too() -> None:
    near = loud(1, 1, 0, 0, 0, 1, 1)
    mine, others = drowned([near, near / 50])
    assert not mine.any() and others.all()


def test_who_begins_while_another_ends_is_drowned_in_no_step() -> None:
    one, other = loud(1, 1, 1, 0, 0, 0), loud(0.01, 0.01, 0.01, 1, 1, 1)
    first, second = drowned([one, other])
    assert not first[:3].any() and not second[3:].any()


def test_two_who_speak_at_once_are_both_heard() -> None:
    one, other = loud(1, 1, 1), loud(0.2, 0.2, 0.2)
    assert not np.any(drowned([one, other]))


def test_what_is_drowned_is_silent_and_nothing_else_changes() -> None:
    chunk = AudioChunk(STEP_SAMPLES // 2, np.ones(2 * STEP_SAMPLES, np.float32))
    quiet = muted(chunk, np.array([False, True]))
    assert quiet.start_sample == chunk.start_sample
    half = STEP_SAMPLES // 2  # and what follows the last step is as that one
    assert quiet.samples[:half].all() and not quiet.samples[half:].any()


def channel(*said: tuple[int, str, float]) -> Channel:
    """Segments, each with its start in ms, its text at two words a second, and its loudness."""
    heard = Channel(np.zeros(100, np.float32))
    for number, (start_ms, text, loudness) in enumerate(said):
        words = tuple(
            Word(word, start_ms + 500 * n, start_ms + 500 * (n + 1), 1.0)
            for n, word in enumerate(text.split())
        )
        segment = SourceSegment(number, 0, words, is_final=True, language="en")
        heard.segments.append(segment)
        heard.powers[start_ms // STEP_MS : segment.end_ms // STEP_MS] = loudness**2
    return heard


def kept(*channels: Channel) -> list[list[str]]:
    return [[one.text for one in segments] for segments in without_crosstalk(channels)]


def test_a_sentence_that_two_microphones_hear_stays_with_the_louder_one() -> None:
    far = channel((250, "good morning and welcome", 0.02))
    near = channel((0, "Good morning, and welcome!", 0.3))
    assert kept(far, near) == [[], ["Good morning, and welcome!"]]


def test_of_two_as_loud_the_earlier_channel_keeps_it() -> None:
    heard = (0, "good morning", 0.1)
    assert kept(channel(heard), channel(heard)) == [["good morning"], []]


def test_what_comes_from_afar_is_known_though_it_is_misheard_and_cut_otherwise() -> None:
    near = channel((0, "The ferry leaves at noon.", 0.3), (3000, "Do not be late.", 0.3))
    far = channel((100, "the fairy leaves at noon do not he late", 0.02))
    assert kept(near, far) == [["The ferry leaves at noon.", "Do not be late."], []]


def test_who_speaks_at_the_same_time_says_something_else_and_stays() -> None:
    one = channel((0, "The ferry leaves at noon.", 0.3))
    other = channel((0, "I never said the price.", 0.05))
    assert kept(one, other) == [["The ferry leaves at noon."], ["I never said the price."]]


def test_an_answer_in_the_same_words_stays() -> None:
    one = channel((0, "Good morning.", 0.3))
    other = channel((3000, "Good morning.", 0.05))
    assert kept(one, other) == [["Good morning."], ["Good morning."]]


@pytest.mark.parametrize("quiet", [0.02, 0.3])
def test_of_all_microphones_one_keeps_it_wherever_they_have_cut(quiet: float) -> None:
    """Each is the louder one in the time of the other's segment, by what it hears beside it."""
    one = channel((0, "yes we can", 0.1), (1500, "go there tomorrow", quiet))
    other = channel((0, "yes we can go there tomorrow", 0.1))
    said = " ".join(text for texts in kept(one, other) for text in texts)
    assert said == "yes we can go there tomorrow"
