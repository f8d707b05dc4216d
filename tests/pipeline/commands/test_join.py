import pytest

from surtitle.pipeline.cli import main


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
