from __future__ import annotations

import random
from dataclasses import replace

import pytest

from surtitle.pipeline.config import SegmenterConfig
from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.text.segmenter import Segmenter


def speak(text: str, *, word_ms: int = 200) -> list[Word]:
    """Words one after the other; "<600>" is a pause of 600 ms."""
    words: list[Word] = []
    at_ms = 0
    for word in text.split():
        if word.startswith("<"):
            at_ms += int(word[1:-1])
            continue
        words.append(Word(word, at_ms, at_ms + word_ms, 1.0))
        at_ms += word_ms
    return words


def segment(text: str, language: str = "en", *, is_written: bool = True) -> list[str]:
    segmenter = Segmenter(SegmenterConfig(), language, is_written=is_written)
    return [closed.text for closed in segmenter.push(speak(text)) + segmenter.flush()]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. We stay!", ["It rains.", "We stay!"]),
        ("Why? I see… Good.", ["Why?", "I see…", "Good."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ('"Really?" he asked.', ['"Really?" he asked.']),
        ("Mr. Smith and Dr. Jones left.", ["Mr. Smith and Dr. Jones left."]),
        ("The U.S. Navy paid 3.5 million.", ["The U.S. Navy paid 3.5 million."]),
        ("J. R. Tolkien wrote. So did I. Good.", ["J. R. Tolkien wrote.", "So did I.", "Good."]),
        ("It was 1984. We left.", ["It was 1984.", "We left."]),
    ],
)
def test_a_sentence_is_a_segment(text: str, sentences: list[str]) -> None:
    assert segment(text) == sentences


@pytest.mark.parametrize(
    ("language", "text", "sentences"),
    [
        ("de", "Am 3. Oktober, z.B. Berlin. Ja.", ["Am 3. Oktober, z.B. Berlin.", "Ja."]),
        ("es", "La Sra. Ruiz vino. ¿Quién?", ["La Sra. Ruiz vino.", "¿Quién?"]),
        ("fr", "M. Petit part. Ah !", ["M. Petit part.", "Ah !"]),
        ("zh", "你好。 再见！ 走", ["你好。", "再见！", "走"]),
        ("hi", "वह गया। ठीक है।", ["वह गया।", "ठीक है।"]),
    ],
)
def test_sentences_end_by_the_rules_of_the_language(
    language: str, text: str, sentences: list[str]
) -> None:
    assert segment(text, language) == sentences


def test_a_pause_parts_raw_words() -> None:
    assert segment("it rains <500> we stay <499> here", is_written=False) == [
        "it rains",
        "we stay here",
    ]


def test_a_hesitation_does_not_part_raw_words() -> None:
    assert segment("we saw the <900> harbor", is_written=False) == ["we saw the harbor"]
    assert segment("we saw the <2000> harbor", is_written=False) == ["we saw the", "harbor"]


def test_only_a_long_pause_parts_a_written_sentence() -> None:
    assert segment("We think, <1900> however, <2000> that it rains.") == [
        "We think, however,",
        "that it rains.",
    ]


def test_a_long_segment_is_cut_at_a_clause_of_its_later_half() -> None:
    text = "one two three four, five six seven eight nine ten eleven twelve thirteen fourteen "
    text += "fifteen sixteen, seventeen eighteen nineteen twenty one two three four five six"
    assert [len(part.split()) for part in segment(text)] == [16, 10]


def test_a_long_segment_without_clauses_is_cut_at_its_longest_pause() -> None:
    text = "w " * 15 + "<300> " + "w " * 5 + "<200> " + "w " * 10
    assert [len(part.split()) for part in segment(text, is_written=False)] == [15, 15]


def test_a_long_segment_is_not_cut_after_an_article() -> None:
    text = "word " * 23 + "the harbor"
    assert segment(text, is_written=False)[0].split()[-1] == "word"


def test_slow_speech_is_cut_by_time() -> None:
    segmenter = Segmenter(SegmenterConfig(), "zh", is_written=True)
    closed = segmenter.push(speak("慢 " * 30, word_ms=1000)) + segmenter.flush()
    assert all(segment.end_ms - segment.start_ms <= 10_000 for segment in closed)


def test_characters_of_a_script_without_spaces_are_not_counted_as_words() -> None:
    assert len(segment("字 " * 40 + "。", "zh")) == 1


def test_ids_rise_and_segments_are_final() -> None:
    segmenter = Segmenter(SegmenterConfig(), "en", is_written=True)
    assert segmenter.push(speak("One. Two.")) == [
        SourceSegment(0, 0, (Word("One.", 0, 200, 1.0),), is_final=True, language="en")
    ]
    assert [segment.segment_id for segment in segmenter.flush()] == [1]
    assert segmenter.flush() == []


def test_no_word_is_lost_however_words_arrive() -> None:
    rng = random.Random(7)
    for _ in range(200):
        text = " ".join(
            rng.choice(["the", "boat,", "left.", "Mr.", "we", "and", "U.S.", "<700>", "<2500>"])
            for _ in range(rng.randrange(120))
        )
        words = speak(text, word_ms=rng.randrange(50, 900))
        segmenter = Segmenter(SegmenterConfig(), "en", is_written=rng.random() < 0.5)
        at, closed = 0, list[SourceSegment]()
        while at < len(words):
            step = rng.randrange(1, 9)
            closed += segmenter.push(words[at : at + step])
            at += step
        closed += segmenter.flush()
        assert [word for segment in closed for word in segment.words] == words
        assert [segment.segment_id for segment in closed] == list(range(len(closed)))
        assert all(len(segment.words) <= SegmenterConfig().max_words for segment in closed)


def test_the_dealing_of_words_makes_no_difference() -> None:
    words = speak("Mr. Smith left. We <600> stayed, and <2100> it rained. " * 5)
    whole = Segmenter(SegmenterConfig(), "en", is_written=True)
    single = Segmenter(SegmenterConfig(), "en", is_written=True)
    one_by_one = [closed for word in words for closed in single.push([word])]
    assert one_by_one + single.flush() == whole.push(words) + whole.flush()


@pytest.mark.parametrize(
    "field", [{"pause_ms": 0}, {"long_pause_ms": 100}, {"max_words": 1}, {"max_duration_ms": 10}]
)
def test_a_config_that_makes_no_sense_is_refused(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(field))):
        SegmenterConfig(**field)


def joined(*texts: str, word_ms: int = 200) -> list[Word]:
    """Words of a script without spaces, one after the other; one that begins with a space is
    parted from what precedes it."""
    return [
        Word(text.strip(), n * word_ms, (n + 1) * word_ms, 1.0, is_joined=text[0] != " " and n > 0)
        for n, text in enumerate(texts)
    ]


def test_text_without_blanks_stays_without() -> None:
    segmenter = Segmenter(SegmenterConfig(), "ja", is_written=True)
    words = joined("港は", "六時に", "開きます。", "船は", " GPU", "で", "走ります。")
    closed = segmenter.push(words) + segmenter.flush()
    assert [one.text for one in closed] == ["港は六時に開きます。", "船は GPUで走ります。"]
    assert [word for one in closed for word in one.words] == words


def test_a_segment_is_not_cut_inside_of_a_word_or_number() -> None:
    segmenter = Segmenter(SegmenterConfig(), "zh", is_written=True)
    words = joined("版本", "3.", "5", "很好。", "Open", "AI", "也", "好")
    closed = segmenter.push(words) + segmenter.flush()
    assert [one.text for one in closed] == ["版本3.5很好。", "OpenAI也好"]


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_word_that_never_ends_is_cut_once_and_again(language: str, is_live: bool) -> None:
    segmenter = Segmenter(SegmenterConfig(), language, is_written=True, is_live=is_live)
    words = joined(*["ab"] * 400)  # 80 s
    closed = segmenter.push(words) + segmenter.flush()
    assert "".join(one.text for one in closed) == "ab" * 400
    assert max(one.end_ms - one.start_ms for one in closed) <= 20_200


def test_a_draft_that_reads_the_same_is_none() -> None:
    segmenter = Segmenter(SegmenterConfig(), "ja", is_written=True, is_live=True)
    assert segmenter.draft(joined("港は", "六時に")) is not None
    assert segmenter.draft(joined("港", "は", "六時に")) is None
    assert segmenter.draft(joined("港は", " 六時に")) is not None


def test_a_segment_is_in_the_language_that_was_spoken_then() -> None:
    segmenter = Segmenter(SegmenterConfig(), "en", is_written=True, is_live=True)
    segmenter.push([Word("Yes", 0, 200, 1.0)])
    (english,) = segmenter.flush()
    assert segmenter.withdraw() is None
    segmenter.switch("ja")
    segmenter.push([Word("はい", 300, 500, 1.0), Word("。", 500, 600, 1.0, is_joined=True)])
    (japanese,) = segmenter.flush()
    assert [(s.segment_id, s.language, s.text) for s in (english, japanese)] == [
        (0, "en", "Yes"),
        (1, "ja", "はい。"),
    ]


def test_a_draft_of_which_nothing_became_certain_is_withdrawn_and_its_number_not_used_again() -> (
    None
):
    segmenter = Segmenter(SegmenterConfig(), "en", is_written=True, is_live=True)
    draft = segmenter.draft([Word("Hm", 0, 200, 1.0)])
    assert draft is not None and segmenter.flush() == []
    withdrawn = segmenter.withdraw()
    assert withdrawn == replace(draft, revision=1, is_final=True)
    segmenter.switch("es")
    segmenter.push([Word("Sí.", 300, 500, 1.0)])
    (spanish,) = segmenter.flush()
    assert (spanish.segment_id, spanish.revision, spanish.language) == (1, 0, "es")
