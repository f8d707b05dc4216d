"""What holds of the stages of live captions, and of cues, whatever comes: hypothesis looks for
exceptions. `make fuzz` looks longer."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.config import SegmenterConfig
from surtitle.pipeline.events import TranslationRequest, Word
from surtitle.pipeline.recognizers.stabilizer import Stabilizer
from surtitle.pipeline.subtitles.check import SubtitleRules
from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.documents import parse_document
from surtitle.pipeline.subtitles.files import printable, subtitle_text
from surtitle.pipeline.subtitles.timing import time_cues
from surtitle.pipeline.subtitles.translating import seen_cues
from surtitle.pipeline.text.segmenter import Segmenter
from surtitle.pipeline.translators.queue import Priority, Superseded, TranslationQueue

EXAMPLES = int(os.environ.get("SURTITLE_EXAMPLES", "200"))
settings.register_profile(
    "stages",
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=30),
    derandomize=EXAMPLES <= 200,  # what CI says is what it says anywhere
    database=None,
)
settings.load_profile("stages")

TEXTS = st.sampled_from(
    ["the", "The", "harbor.", "Dr.", "3.", "5", "oh,", "Wait!", "no", "好", "。"]
)


@st.composite
def speech(draw: st.DrawFn) -> list[Word]:
    """Words one after the other; each has its number as confidence."""
    words: list[Word] = []
    at_ms = 0
    for number in range(draw(st.integers(0, 25))):
        at_ms += draw(st.sampled_from([0, 0, 0, 40, 300, 900, 2500]))
        end_ms = at_ms + draw(st.integers(1, 600))
        is_joined = bool(words) and draw(st.integers(0, 9)) == 0
        words.append(Word(draw(TEXTS), at_ms, end_ms, number, is_joined=is_joined))
        at_ms = end_ms
    return words


@given(speech(), st.data())
def test_the_stabilizer_loses_no_word_and_doubles_none(
    words: list[Word], data: st.DataObject
) -> None:
    """Whatever is heard of the last words, and however often."""
    stabilizer, said, end = Stabilizer(), list[Word](), 0
    while end < len(words):
        end = data.draw(st.integers(end, len(words)))
        wrong = data.draw(st.integers(0, 2))
        heard = words[:end]
        for at in range(max(0, end - wrong), end):
            heard[at] = Word("hm", words[at].start_ms, words[at].end_ms, at)
        is_end = end == len(words)
        agreement = stabilizer.push(words if is_end else heard, since_ms=0, is_end=is_end)
        said += agreement.committed
        if is_end:
            assert not agreement.tail
    assert [word.confidence for word in said] == list(range(len(words)))


@given(speech(), st.booleans(), st.booleans(), st.data())
def test_segments_hold_all_words_however_these_come(
    words: list[Word], is_written: bool, is_live: bool, data: st.DataObject
) -> None:
    def segmenter() -> Segmenter:
        return Segmenter(SegmenterConfig(), "en", is_written=is_written, is_live=is_live)

    at_once, piecemeal = segmenter(), segmenter()
    whole = at_once.push(words) + at_once.flush()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=5)))
    parts = [
        segment
        for a, b in pairwise([0, *cuts, len(words)])
        for segment in piecemeal.push(words[a:b])
    ]
    parts += piecemeal.flush()
    assert [one.words for one in parts] == [one.words for one in whole]
    assert [word for one in whole for word in one.words] == words
    assert [one.segment_id for one in whole] == list(range(len(whole)))
    assert all(one.is_final and one.words for one in whole)


class Answers:
    """A translator that answers when it is told to, in any order."""

    name, at_once = "answers", 2

    def __init__(self) -> None:
        self.at_work: list[tuple[TranslationRequest, asyncio.Future[str]]] = []

    def check(self, source: str, target: str) -> None: ...

    async def translate(self, request: TranslationRequest) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.at_work.append((request, answer))
        return await answer

    async def aclose(self) -> None: ...


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 2), st.sampled_from(list(Priority))),
        st.tuples(st.just("answer"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.none()),
    ),
    max_size=25,
)


@given(STEPS)
def test_the_queue_answers_supersedes_or_cancels_all_that_it_is_asked(
    steps: list[tuple[str, int, Priority | bool | None]],
) -> None:
    asyncio.run(asyncio.wait_for(_queue(steps), 60))


async def _queue(steps: list[tuple[str, int, Priority | bool | None]]) -> None:
    translator = Answers()
    queue = TranslationQueue(translator)
    asked: list[tuple[int, Priority, asyncio.Task[str]]] = []

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        at_work = [request.key for request, answer in translator.at_work if not answer.done()]
        assert len(at_work) <= translator.at_once and len(set(at_work)) == len(at_work)

    def waiting_answers() -> list[asyncio.Future[str]]:
        return [answer for _, answer in translator.at_work if not answer.done()]

    for what, number, how in steps:
        if what == "ask" and isinstance(how, Priority):
            request = TranslationRequest("a", "en", "es", key=number)
            asking = queue.translate(
                lambda request=request: request, key=number, priority=how, owner="x"
            )
            asked.append((number, how, asyncio.create_task(asking)))
        elif what == "answer" and (answers := waiting_answers()):
            answer = answers[number % len(answers)]
            if how:
                answer.set_result("b")
            else:
                answer.set_exception(ValueError("it fails"))
        elif what == "cancel" and asked:
            asked[number % len(asked)][2].cancel()
        await settle()
    while answers := waiting_answers():
        answers[0].set_result("b")
        await settle()
    ends = await asyncio.gather(*(task for _, _, task in asked), return_exceptions=True)
    for at, ((key, priority, _), end) in enumerate(zip(asked, ends, strict=True)):
        later = [other for number, other, _ in asked[at + 1 :] if number == key]
        earlier = [other for number, other, _ in asked[:at] if number == key]
        if isinstance(end, Superseded):  # by a newer one, or it came after a more urgent one
            assert any(other <= priority for other in later) or any(
                other < priority for other in earlier
            )
    assert queue.queued("x") == 0 and queue.oldest_heard_ms("x") is None


ALIKE = str.maketrans("\\{}", "/()")
LINES = st.text(
    st.one_of(st.sampled_from("abc -<>&{}\\#♪[]().:;,!?'\"/0—"), st.characters(codec="utf-8")),
    max_size=20,
)


@st.composite
def cues(draw: st.DrawFn) -> list[Cue]:
    """Spoken one after the other, some on top of each other."""
    found: list[Cue] = []
    at_ms = 0
    for number in range(draw(st.integers(0, 12))):
        at_ms += draw(st.sampled_from([0, 0, 1, 40, 400, 1500, 6000]))
        end_ms = at_ms + draw(st.integers(0, 9000))
        words = " ".join([f"w{number}", *["x"] * draw(st.integers(0, 20))])
        found.append(Cue(at_ms, end_ms, (TextBlock("en", (words,)),)))
        at_ms = max(0, end_ms - draw(st.sampled_from([0, 0, 0, 50, 500])))
    return found


@given(cues())
def test_timed_cues_keep_their_words_and_order_and_never_overlap(spoken: list[Cue]) -> None:
    timed = time_cues(spoken, SubtitleRules())
    assert _words(timed) == _words(spoken)
    assert all(0 <= cue.start_ms < cue.end_ms for cue in timed)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(timed))


def _words(said: list[Cue]) -> list[str]:
    return [word for cue in said for line in cue.lines for word in line.split()]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.lists(LINES, min_size=1, max_size=3)), max_size=5),
    st.sampled_from(["srt", "vtt", "ass", "ttml"]),
)
def test_what_is_written_is_read_again(shown: list[tuple[int, list[str]]], name: str) -> None:
    """Each line as it is seen, and its times to the hundredth of a second."""
    written = [
        Cue(10 * at, 10 * at + 500, (TextBlock("en", tuple(lines)),))
        for at, lines in sorted(shown)
        if all(map(printable, lines))
    ]
    text = subtitle_text(written, name)
    if not written:
        return
    document = parse_document(text, name)
    read = seen_cues(document, ("en", [None] * len(document.cues)))
    assert [(cue.start_ms, cue.end_ms) for cue in read] == [
        (cue.start_ms, cue.end_ms) for cue in written
    ]
    assert [_seen(cue) for cue in read] == [_seen(cue) for cue in written]


def _seen(cue: Cue) -> list[str]:
    """Without what looks like markup, which is written as what looks alike."""
    lines = (printable(line).replace("-->", "→").replace("<", "‹") for line in cue.lines)
    return [" ".join(line.translate(ALIKE).split()) for line in lines]
