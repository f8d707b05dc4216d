"""The pages in Chromium, against a server that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import PATIENCE_MS
from .fake_server import FakeServer, Message, recorded, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MEDIA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
OTHER_HOST = "surtitle.example"
START_S = 2  # what a recognizer takes to start
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch(*MEDIA, f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running() as fake:
        yield fake


@pytest.fixture
def open_page(browser: Browser, server: FakeServer) -> Iterator[Open]:
    """Open a page of the server; what the browser complains about fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_page(
        path: str, base: str | None = None, answers: dict[str, Any] | None = None, **options: Any
    ) -> Page:
        """`answers`: who answers instead of the server, by pattern of an address."""
        contexts.append(context := browser.new_context(**options))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        for pattern, answer in (answers or {}).items():
            page.route(pattern, answer)
        page.goto((base or server.url) + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A connection that the test cut is told on the console as an error, and is none.
    assert [text for text in complaints if "WebSocket connection" not in text] == []


def caption(text: str, language: str = "es", segment_id: int = 0, **fields: Any) -> Message:
    base = {"type": "caption", "sequence": segment_id + 1, "segment_id": segment_id, "revision": 0}
    times = {"start_ms": 0, "end_ms": 0, "is_final": False}
    return base | times | {"language": language, "text": text} | fields


def begin(server: FakeServer, *targets: str) -> None:
    server.say(recorded()[0] | {"targets": list(targets or ["es"])})


def shown(page: Page) -> list[str]:
    """The rows that are on the page, from the top."""
    return page.locator(".line:not(.above)").all_text_contents()


def logged(page: Page) -> list[str]:
    return page.locator("#log p").all_text_contents()


def wait_for(page: Page, condition: str, argument: Any = None) -> None:
    page.wait_for_function(condition, arg=argument)


def wait_for_text(page: Page, text: str) -> None:
    contains = "text => document.querySelector('main').textContent.includes(text)"
    wait_for(page, contains, text)


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something that is to be seen at the server."""
    for _ in range(PATIENCE_MS // 100):
        if holds():
            return
        page.wait_for_timeout(100)  # in which the page and the routes go on
    raise AssertionError(f"not in {PATIENCE_MS // 1000} s")


def sentences(language: str) -> list[str]:
    path = ROOT / f"samples/harbor.{language}.txt"
    return path.read_text(encoding="utf-8").splitlines()[:12]


def test_the_log_keeps_the_order_of_what_was_said(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=es")
    server.wait_for_viewer()  # what is there from the beginning is not logged
    said = [(0, "Uno."), (2, "Tres."), (1, "Dos."), (3, "Cuatro.")]
    for sequence, (segment, text) in enumerate(said, 1):
        server.say(caption(text, segment_id=segment, sequence=sequence, is_final=True))
    wait_for(page, "() => document.querySelectorAll('#log p').length === 4")
    assert logged(page) == ["Uno.", "Dos.", "Tres.", "Cuatro."]


def test_the_recorded_talk_rolls_through_the_overlay(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    snapshot, *messages = recorded()
    server.say(snapshot)
    page = open_page("/overlay?lang=es&dual=en")
    server.wait_for_viewer()
    half = len(messages) // 2
    server.say(*messages[:half])
    page.locator(".word.draft").first.wait_for()
    page.wait_for_timeout(400)
    page.screenshot(path=screenshots / "overlay-bilingual.png", omit_background=True)
    server.say(*messages[half:])
    wait_for_text(page, sentences("es")[-1].split()[-1])
    wait_for(page, "() => document.querySelectorAll('#log p').length === 12")
    assert logged(page) == sentences("es")
    spanish, english = page.locator(".block").all()
    assert spanish.get_attribute("lang") == "es"
    for block, language in ((spanish, "es"), (english, "en")):
        rows = block.locator(".line:not(.above)").all_text_contents()
        assert len(rows) == 2
        assert " ".join(sentences(language)).endswith(" ".join(rows))


def test_words_that_are_shown_stay_where_they_are(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=es&lines=4&size=40")
    words = " ".join(sentences("es")[8:10]).split()
    places: list[tuple[str, float, float]] = []
    for count in range(1, len(words) + 1):
        server.say(caption(" ".join(words[:count]), revision=count))
        wait_for(page, "n => document.querySelectorAll('.word').length === n", count)
        now = page.locator(".word").evaluate_all(
            "all => all.map(w => { const r = w.getBoundingClientRect();"
            " return [w.textContent, r.left, r.top]; })"
        )
        assert now[:-1] == places
        places = now
    assert len(shown(page)) > 1


@pytest.mark.parametrize("query", ["size=60", "size=30&uppercase=1", "font=serif&size=47"])
def test_lines_are_as_long_as_fits(server: FakeServer, open_page: Open, query: str) -> None:
    begin(server)
    page = open_page(f"/overlay?lang=es&lines=6&clear=0&{query}")
    server.say(*(caption(text, segment_id=i) for i, text in enumerate(sentences("es"))))
    last = sentences("es")[-1].split()[-1].lower()
    shows = "last => document.querySelector('main').textContent.toLowerCase().includes(last)"
    wait_for(page, shows, last)
    sizes = page.locator(".line").evaluate_all(
        "all => all.map(l => [l.scrollWidth, l.clientWidth])"
    )
    assert len(sizes) == 7
    assert all(text <= room for text, room in sizes)
    if "uppercase" in query:
        assert all(row == row.upper() for row in shown(page))


def test_cut_connections_lose_and_double_nothing(server: FakeServer, open_page: Open) -> None:
    snapshot, *messages = recorded()
    server.say(snapshot)
    page = open_page("/overlay?lang=en")
    server.wait_for_viewer()  # what is there from the beginning is not logged
    for start in range(0, len(messages), 35):
        server.say(*messages[start : start + 20])
        server.drop()
        server.say(*messages[start + 20 : start + 35])
    wait_for(page, "() => document.querySelectorAll('#log p').length >= 12")
    page.wait_for_timeout(300)
    assert logged(page) == sentences("en")
    assert any("session=20261124-101500-x7k2" in path for path in server.paths)


def test_a_page_that_is_not_drawn_logs_what_is_said(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=es")
    page.evaluate("window.requestAnimationFrame = () => 0")  # as where its tab is hidden
    server.wait_for_viewer()
    server.say(caption("Uno.", is_final=True))
    page.locator("#log p").wait_for(state="attached")
    assert logged(page) == ["Uno."]


def test_the_notice_of_a_lost_connection_goes_by_itself(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    begin(server)
    page = open_page("/overlay?lang=es")
    server.say(caption("Buenos días"))
    wait_for_text(page, "Buenos días")
    server.drop(for_good=True)
    page.get_by_text("Connection lost. Trying again…").wait_for()
    assert shown(page) == ["Buenos días"]
    page.screenshot(path=screenshots / "overlay-lost.png")
    server.admit()
    wait_for(page, "() => document.getElementById('notice').textContent === ''")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "صباح الخير ومرحبًا بكم في الميناء القديم"),
        ("he", "בוקר טוב וברוכים הבאים לנמל הישן"),
    ],
)
def test_right_to_left(
    server: FakeServer, open_page: Open, screenshots: Path, language: str, text: str
) -> None:
    begin(server, language)
    page = open_page(f"/overlay?lang={language}&align=left")
    server.say(caption(text, language))
    wait_for_text(page, text.split()[0])
    block = page.locator(".block")
    assert (block.get_attribute("dir"), block.get_attribute("lang")) == ("rtl", language)
    first, second = (word.bounding_box() for word in page.locator(".word").all()[:2])
    edge = page.locator(".line").first.bounding_box()
    assert first is not None and second is not None and edge is not None
    assert first["x"] > second["x"]
    assert abs(first["x"] + first["width"] - edge["x"] - edge["width"]) < 1
    page.wait_for_timeout(400)
    page.screenshot(path=screenshots / f"overlay-{language}.png")


def test_chinese_breaks_without_spaces(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    begin(server, "zh")
    page = open_page("/overlay?lang=zh&lines=3")
    text = "早上好，欢迎来到老港口。我在这里工作了三十年，我们大约要走一个小时。"
    server.say(caption(text, "zh"))
    wait_for_text(page, "早上好")
    assert "".join(shown(page)) == text
    assert len(shown(page)) > 1
    assert not [row for row in shown(page) if row[0] in "，。"]
    page.wait_for_timeout(400)
    page.screenshot(path=screenshots / "overlay-zh.png")


def test_bad_options_are_named_and_not_taken(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=es&size=huge&background=url(https://example.org)&font=x;}")
    problems = page.locator("#problems li").all_text_contents()
    assert len(problems) == 3
    assert '"size" must be a whole number, 12 to 300, got "huge".' in problems
    assert page.locator("html").get_attribute("style") == "--lines: 2;"


def test_text_is_never_markup(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=es")
    text = "<img src=x onerror=alert(1)> & <b>más</b>"
    server.say(caption(text, is_final=True))
    wait_for_text(page, "más")
    assert " ".join(shown(page)) == text
    assert page.locator("main img, main b").count() == 0


def test_captions_are_cleared_after_a_pause_and_the_next_begin_a_new_line(
    server: FakeServer, open_page: Open
) -> None:
    begin(server)
    page = open_page("/overlay?lang=es&clear=2")
    server.say(caption("Uno.", is_final=True))
    wait_for(page, "() => document.querySelector('.block.filled')")  # looks at each frame
    wait_for(page, "() => document.querySelector('.block:not(.filled)')")
    server.say(caption("Dos.", segment_id=1))
    wait_for(page, "() => document.querySelector('.block.filled')")
    assert shown(page) == ["Dos."]


def test_a_newer_server_is_understood_as_far_as_it_can_be(
    server: FakeServer, open_page: Open
) -> None:
    begin(server)
    page = open_page("/overlay?lang=es")
    warnings: list[str] = []
    page.on("console", lambda m: warnings.append(m.text) if m.type == "warning" else None)
    server.wait_for_viewer()
    server.say({"type": "poll", "question": "?"}, {"type": "poll"})
    words = [{"text": "Hola.", "start_ms": 0, "end_ms": 900}]
    server.say(caption("Hola.", is_final=True, is_source=True, words=words))
    wait_for_text(page, "Hola.")
    assert [text for text in warnings if "poll" in text] == [
        "messages of type poll are not known to this page and left out"
    ]


def test_a_reader_changes_the_language_and_the_address_stays(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    begin(server, "es", "de")
    page = open_page("/overlay?page=black&lang=es", viewport={"width": 360, "height": 640})
    address = page.url
    server.say(caption("Buenos días."), caption("Guten Tag.", "de"))
    wait_for_text(page, "Buenos días.")
    choice = page.get_by_label("Language of the captions")
    assert choice.locator("option").all_text_contents() == ["Spanish", "German", "English"]
    choice.select_option("German")
    wait_for_text(page, "Guten Tag.")
    assert "lang=de" in server.paths[-1] and page.url == address
    page.screenshot(path=screenshots / "phone-language.png")
    page.reload()
    wait_for_text(page, "Guten Tag.")
    assert choice.input_value() == "de"


def test_a_video_mixer_gets_no_choice(server: FakeServer, open_page: Open) -> None:
    begin(server, "es", "de")
    page = open_page("/overlay?lang=es")
    server.say(caption("Buenos días."))
    wait_for_text(page, "Buenos días.")
    assert page.get_by_label("Language of the captions").is_hidden()


def test_a_language_that_the_room_has_not_is_named(server: FakeServer, open_page: Open) -> None:
    begin(server)
    page = open_page("/overlay?lang=de")
    page.get_by_text('No captions in "de" here; there are: en, es.').wait_for()


def test_the_speaker_s_page_sends_sound_and_shows_captions(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    page = open_page("/capture", permissions=["microphone"])
    page.get_by_text("Spanish").wait_for()
    assert page.locator("[name=source]").input_value() == "en"
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Live", exact=True).wait_for()
    server.say(*recorded()[1:60])
    wait_for_text(page, sentences("es")[1].split()[-1])
    page.get_by_text("s behind").wait_for()
    (start,) = server.starts
    assert (start["source"], start["targets"], start["mode"]) == ("en", ["es"], "fresh")
    wait_until(page, lambda: len(server.audio) / 2 > start["sample_rate_hz"])  # more than a second
    wait_until(page, lambda: max(server.audio[1::2]) > 0)  # and not silence
    page.screenshot(path=screenshots / "capture.png", full_page=True)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped", exact=True).wait_for()


def test_the_speaker_s_page_says_when_it_listens_and_what_it_cannot(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    server.may_start.clear()
    server.notices = ["Moonshine tiny (English) cannot listen for the terms"]
    page = open_page("/capture", permissions=["microphone"])
    page.get_by_text("Spanish").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Starting…").wait_for()
    page.screenshot(path=screenshots / "capture-starting.png", full_page=True)
    page.wait_for_timeout(1000 * START_S)
    server.may_start.set()
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_text("cannot listen for the terms.").wait_for()
    page.screenshot(path=screenshots / "capture-notice.png", full_page=True)
    wait_for(page, "() => document.querySelector('#level').value > 0")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped", exact=True).wait_for()
    # What was heard while it started was sent as well; a busy machine captures less than it should.
    assert len(server.audio) / 2 > 0.75 * START_S * server.starts[0]["sample_rate_hz"]


def test_the_speaker_sees_what_is_wrong_at_the_server_while_it_is(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    page = open_page("/capture", permissions=["microphone"])
    page.get_by_text("Spanish").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Live", exact=True).wait_for()
    status = {"type": "status", "lag_ms": 0, "heard_ms": 0}
    server.say(status | {"notice": "3 captions are not stored: the disk is full"})
    page.get_by_text("3 captions are not stored: the disk is full.").wait_for()
    page.screenshot(path=screenshots / "capture-status.png", full_page=True)
    server.say({"type": "poll"}, status | {"notice": ""})
    page.locator("#warning").wait_for(state="hidden")


def test_the_speaker_s_terms_are_sent_once_they_can_be_read(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    page = open_page("/capture", permissions=["microphone"])
    page.get_by_text("Spanish").wait_for()
    terms, problem = page.locator("[name=terms]"), page.locator("#terms-problem")
    terms.fill("Tatiana\nharbor =")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Line 2 must be TERM or TERM = TRANSLATION").wait_for()
    assert terms.evaluate("field => field === document.activeElement")
    page.screenshot(path=screenshots / "capture-terms.png", full_page=True)
    terms.fill("Tatiana\nharbor = es: puerto; de: Hafen")
    assert problem.is_hidden()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Live", exact=True).wait_for()
    assert terms.is_disabled()
    (start,) = server.starts
    assert start["terms"] == [
        {"source": "Tatiana", "targets": {}},
        {"source": "harbor", "targets": {"es": "puerto"}},
    ]


def test_the_speaker_s_page_resumes_a_session(server: FakeServer, open_page: Open) -> None:
    page = open_page("/capture", permissions=["microphone"])
    page.get_by_text("Spanish").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Live", exact=True).wait_for()
    server.drop(for_good=True)
    page.get_by_text("Connection lost").wait_for()
    server.admit()
    page.get_by_text("Live", exact=True).wait_for()
    assert [start.get("resume") for start in server.starts] == [None, "key-1"]


def test_a_microphone_that_is_not_allowed_is_told_in_words(
    launch: Callable[..., Browser], server: FakeServer
) -> None:
    page = launch("--use-fake-device-for-media-stream", "--deny-permission-prompts").new_page()
    page.goto(f"{server.url}/capture")
    page.get_by_text("Spanish").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("does not let this page use the microphone").wait_for()
    assert page.get_by_role("button", name="Start").is_enabled()


def test_a_page_that_came_unsafely_says_why_it_gets_no_sound(
    server: FakeServer, open_page: Open
) -> None:
    page = open_page("/capture", base=f"http://{OTHER_HOST}:{server.port}")
    page.get_by_text("Spanish").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("https://").wait_for()


def test_the_start_page_builds_an_address_that_the_overlay_takes(
    server: FakeServer, open_page: Open, screenshots: Path
) -> None:
    base = f"http://{OTHER_HOST}:{server.port}"
    drawn: list[Request] = []

    def draw(route: Route, request: Request) -> None:
        drawn.append(request)
        svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>'
        route.fulfill(body=svg, content_type="image/svg+xml")

    page = open_page("/#token=abc", base=base, answers={"**/v1/qr": draw})
    page.locator("[name=lang]").select_option("Spanish")
    page.locator("[name=room]").fill("hall 2")
    page.get_by_text('"room" must be').wait_for()
    page.locator("[name=room]").fill("hall")
    address = page.locator("#address").get_attribute("href")
    assert address == f"{base}/overlay?room=hall&lang=es&lines=4&page=black#token=abc"
    page.locator("#qr").wait_for()
    wait_until(page, lambda: drawn[-1].post_data == address)
    asked = drawn[-1]  # the token is in no address
    assert (asked.method, asked.url) == ("POST", f"{base}/v1/qr")
    assert asked.header_value("authorization") == "Bearer abc"
    preview = page.frame_locator("#preview")
    preview.get_by_text("Buenos").first.wait_for()
    page.locator("[name=color]").select_option("Green")
    preview.locator("html[style*=lime]").wait_for()
    page.wait_for_timeout(3000)
    page.screenshot(path=screenshots / "start.png", full_page=True)
    overlay = open_page(address.removeprefix(base), base=base)
    overlay.locator(".block").wait_for(state="attached")
    assert overlay.locator("#problems").is_hidden()


@pytest.mark.parametrize("path", ["/", "/capture"])
def test_pages_fit_every_width(
    server: FakeServer, open_page: Open, screenshots: Path, path: str
) -> None:
    page = open_page(path)
    page.get_by_text("Spanish").first.wait_for(state="attached")
    for width, scheme in ((360, "dark"), (768, "light"), (1280, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        name = f"{path.strip('/') or 'start'}-{width}-{scheme}.png"
        page.screenshot(path=screenshots / name, full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/capture", "/overlay?lang=es&dual=en&page=black"])
def test_no_serious_barrier_for_people_with_disabilities(
    server: FakeServer, open_page: Open, screenshots: Path, path: str, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    server.say(*recorded()[:60])
    page = open_page(path, color_scheme=scheme, viewport={"width": 390, "height": 844})
    page.wait_for_timeout(900)
    name = f"phone-{path.strip('/').partition('?')[0] or 'start'}-{scheme}.png"
    page.screenshot(path=screenshots / name, full_page=True)
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in serious] == []
