from __future__ import annotations

import pytest

from surtitle.pipeline.cli import main


def test_one_face_of_all_benches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in ("latency", "viewers", "flicker", "quality", "kernels"))


@pytest.mark.parametrize("name", ["latency", "viewers"])
def test_a_server_that_is_away_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert main(["bench", name, f"{tmp_path}/none.flac", "--url", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("surtitle: ") and "Traceback" not in error
