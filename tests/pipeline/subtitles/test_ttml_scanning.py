"""Times of TTML, in all the ways in which they are written."""

from __future__ import annotations

import pytest

from surtitle.pipeline.subtitles.ttml_scanning import scan_ttml

PARAMETERS = 'xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def times(root: str, paragraph: str, body: str = "") -> tuple[int, int]:
    document = f"<tt {PARAMETERS} {root}><body {body}><p {paragraph}>a</p></body></tt>"
    (found,) = scan_ttml(document)
    return found.start_ms, found.end_ms


@pytest.mark.parametrize(
    ("root", "paragraph", "found"),
    [
        ("", 'begin="00:01:02.500" end="01:00:00"', (62_500, 3_600_000)),
        ("", 'begin="1.5s" end="2500ms"', (1500, 2500)),
        ("", 'begin="1m" dur="0.5h"', (60_000, 1_860_000)),
        ("", 'begin="00:00:01:15" end="00:00:02:00"', (1500, 2000)),
        ('ttp:frameRate="25"', 'begin="00:00:01:05" end="50f"', (1200, 2000)),
        (
            'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"',
            'begin="0f" end="00:00:00:15"',
            (0, 501),  # 500.5 at 29.97 frames a second
        ),
        ('ttp:tickRate="10000000"', 'begin="10000000t" end="25000000t"', (1000, 2500)),
        ('ttp:frameRate="25"', 'begin="25t" end="50t"', (1000, 2000)),
    ],
)
def test_times_are_read(root: str, paragraph: str, found: tuple[int, int]) -> None:
    assert times(root, paragraph) == found


def test_times_begin_where_the_element_around_begins() -> None:
    assert times("", 'begin="1s" end="3s"', body='begin="10s"') == (11_000, 13_000)
    assert times("", 'end="3s"', body='begin="10s"') == (10_000, 13_000)


def test_blanks_are_kept_only_where_that_is_wanted() -> None:
    texts = [
        found.text
        for found in scan_ttml(
            '<tt><p begin="1s" end="2s">  a\n  b<br />  c </p>'
            '<p begin="2s" end="3s" xml:space="preserve"> a  b</p></tt>'
        )
    ]
    assert texts == ["a b\nc", " a  b"]


def test_names_with_a_prefix_are_the_same_elements() -> None:
    (found,) = scan_ttml(
        '<tt:tt xmlns:tt="http://www.w3.org/ns/ttml"><tt:p begin="1s" end="2s">a<tt:br/>b</tt:p>'
        "</tt:tt>"
    )
    assert found.text == "a\nb"


@pytest.mark.parametrize("time", ["soon", "1", "1:02", "1x"])
def test_what_is_no_time_is_named(time: str) -> None:
    with pytest.raises(ValueError, match=f"'{time}' is no time of TTML"):
        times("", f'begin="{time}" end="2s"')


@pytest.mark.parametrize(
    "root",
    [
        'ttp:frameRate="0"',
        'ttp:frameRate="fast"',
        'ttp:tickRate="0"',
        'ttp:frameRateMultiplier="1 0"',
    ],
)
def test_rates_that_are_none_are_named(root: str) -> None:
    with pytest.raises(ValueError, match="its frame rate or tick rate is no rate"):
        times(root, 'begin="1f" end="2t"')
