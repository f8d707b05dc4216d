from pathlib import Path

import pytest

from surtitle.pipeline.cli import main

SAMPLE = Path(__file__).parents[3] / "samples" / "harbor.flac"


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--url", "nowhere"], "'nowhere'"), (["--to", "spanish"], "'spanish'")],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(SAMPLE), *options]) == 2
    assert message in capsys.readouterr().err


def test_no_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(SAMPLE), "--url", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:9 cannot be reached" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "does not exist"), (b"", "is empty"), (b"hello\n", "holds text")],
)
def test_what_is_no_recording_is_one_line_and_no_session(
    content: bytes | None, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "talk.mp4").write_bytes(content)
    command = ["publish", str(tmp_path / "talk.mp4"), "--url", "http://127.0.0.1:9"]
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line and "127.0.0.1" not in line
