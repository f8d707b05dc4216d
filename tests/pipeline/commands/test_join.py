import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surtitle.pipeline.cli import main

from ...patience import PATIENCE_S
from ..bots.mp3 import mp3_tone
from ..scripted_command import command, open_socket, served


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "file:///etc/passwd"], "begins with one of http://"),
        (["--stream", "http://127.0.0.1:9/", "--url", "nowhere"], "'nowhere'"),
        (["--stream", "http://127.0.0.1:9/", "--to", "spanish"], "'spanish'"),
    ],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_stream_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join", "--stream", "http://127.0.0.1:9/live", "--url", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:9" in error and "Traceback" not in error


class Broadcaster(BaseHTTPRequestHandler):
    """Sends a tone for as long as somebody listens."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(mp3_tone(1))
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def broadcast() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broadcaster) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/live"
        finally:
            server.shutdown()


@pytest.mark.slow
def test_a_signal_ends_a_bot_after_the_last_captions(broadcast: str, tmp_path: Path) -> None:
    with served(tmp_path) as (_, url), open_socket(url, "/v1/view?room=hall") as viewer:
        options = ("--url", url, "--into", "hall", "--to", "es")
        with command(tmp_path, "join", "--stream", broadcast, *options) as bot:
            while "six" not in str(viewer.recv(timeout=PATIENCE_S)):
                pass
            bot.signal(signal.SIGINT)
            status, out, err = bot.end()
    assert status == 0 and "Traceback" not in err, err
    assert "en: The harbor opens at six" in out and "es: [es] " in out
