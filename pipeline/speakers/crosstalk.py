"""A voice that reaches the microphones of others is written once (pure).

What is clearly quieter there is muted before anybody listens. Where microphones are closer
together, of the same words at the same time those stay that were heard best.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..audio.pcm import SAMPLES_PER_MS
from ..events import AudioChunk, SourceSegment

STEP_MS = 100
STEP_SAMPLES = STEP_MS * SAMPLES_PER_MS
HOLD_STEPS = 3  # a voice counts as loud so long before it begins and after it ends
LOUDER = 10.0  # in power, 10 dB: who speaks into a microphone of their own is hardly quieter there
SAME_TIME_MS = 1000  # estimated times of one word, in two channels, are hardly farther apart
SAME_SHARE = 0.5  # of the words: what comes from afar is misheard more often

Powers = NDArray[np.float32]  # of each step of a channel


def powers(chunks: Iterable[AudioChunk]) -> Powers:
    """How loud each STEP_MS of a channel is. The chunks follow each other without a hole."""
    found: list[Powers] = []
    rest = np.zeros(0, np.float32)
    for chunk in chunks:
        samples = np.concatenate([rest, chunk.samples])
        whole = samples.size - samples.size % STEP_SAMPLES
        rest = samples[whole:]
        found.append(np.square(samples[:whole].reshape(-1, STEP_SAMPLES)).mean(axis=1))
    if rest.size:
        found.append(np.square(rest).mean(keepdims=True))
    return np.concatenate([np.zeros(0, np.float32), *found])


def drowned(channels: Sequence[Powers]) -> list[NDArray[np.bool_]]:
    """For each channel the steps in which another is LOUDER: what it hears then is the other's.

    A voice holds for HOLD_STEPS, so that its pauses are drowned as well, and no beginning is.
    """
    count = max(1, *(power.size for power in channels))
    heard = np.stack([np.pad(power, (0, count - power.size)) for power in channels])
    padded = np.pad(heard, ((0, 0), (HOLD_STEPS, HOLD_STEPS)))
    held = sliding_window_view(padded, 2 * HOLD_STEPS + 1, axis=1).max(axis=2)
    return list(held.max(axis=0) > LOUDER * held)


def muted(chunk: AudioChunk, steps: NDArray[np.bool_]) -> AudioChunk:
    """The chunk, silent in these steps of its channel."""
    samples = np.arange(chunk.start_sample, chunk.start_sample + chunk.samples.size)
    of_sample = np.minimum(samples // STEP_SAMPLES, steps.size - 1)
    return replace(chunk, samples=np.where(steps[of_sample], np.float32(0), chunk.samples))


@dataclass(slots=True)
class Channel:
    """What a microphone heard: how loud it was, and its segments."""

    powers: Powers
    segments: list[SourceSegment] = field(default_factory=list[SourceSegment])

    def power(self, segment: SourceSegment) -> float:
        """The mean over the segment's time, whoever's it is."""
        first = segment.start_ms // STEP_MS
        return float(self.powers[first : segment.end_ms // STEP_MS + 1].mean())


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word of a segment: `at_ms` is its middle."""

    at_ms: int
    channel: int
    segment: int


def without_crosstalk(channels: Sequence[Channel]) -> list[list[SourceSegment]]:
    """The segments of each channel, less those that another one heard better.

    From the quietest segment on: one goes where SAME_SHARE of its words are, at the same time, in
    segments of another channel that have not gone, and that channel is louder meanwhile (as loud
    is enough for an earlier one). So of all that heard something, one keeps it.
    """
    gone: set[tuple[int, int]] = set()
    places = [(c, s) for c, one in enumerate(channels) for s in range(len(one.segments))]
    spoken = _index(channels)
    loud = {(c, s): channels[c].power(channels[c].segments[s]) for c, s in places}
    for c, s in sorted(places, key=lambda place: (loud[place], -place[0])):
        segment = channels[c].segments[s]
        shared: dict[int, int] = defaultdict(int)  # words, by channel
        for text, at_ms in _middles(segment):
            heard = {
                one.channel
                for one in _around(spoken[text], at_ms)
                if one.channel != c and (one.channel, one.segment) not in gone
            }
            for channel in heard:
                shared[channel] += 1
        for channel, count in shared.items():
            is_louder = (channels[channel].power(segment), -channel) > (loud[c, s], -c)
            if is_louder and count >= SAME_SHARE * len(segment.words):
                gone.add((c, s))
    return [
        [segment for s, segment in enumerate(one.segments) if (c, s) not in gone]
        for c, one in enumerate(channels)
    ]


def _index(channels: Sequence[Channel]) -> dict[str, list[_Spoken]]:
    """Where each word is said, by time."""
    spoken: dict[str, list[_Spoken]] = defaultdict(list)
    for c, channel in enumerate(channels):
        for s, segment in enumerate(channel.segments):
            for text, at_ms in _middles(segment):
                spoken[text].append(_Spoken(at_ms, c, s))
    for places in spoken.values():
        places.sort(key=lambda one: one.at_ms)
    return spoken


def _around(places: Sequence[_Spoken], at_ms: int) -> Sequence[_Spoken]:
    first = bisect_left(places, at_ms - SAME_TIME_MS, key=lambda one: one.at_ms)
    return places[first : bisect_right(places, at_ms + SAME_TIME_MS, key=lambda one: one.at_ms)]


def _middles(segment: SourceSegment) -> list[tuple[str, int]]:
    """Each word as it sounds, whatever its case and punctuation, and when."""
    return [
        ("".join(filter(str.isalnum, word.text)).casefold(), (word.start_ms + word.end_ms) // 2)
        for word in segment.words
    ]
