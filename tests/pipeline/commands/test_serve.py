from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.commands.serve import greeting, read_tokens
from surtitle.pipeline.config import ServerConfig, Tokens

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURTITLE_PUBLISH_TOKEN", raising=False)
    monkeypatch.delenv("SURTITLE_VIEW_TOKEN", raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "captions.example", "::"])
def test_it_does_not_start_for_others_without_tokens(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host]) == 2
    told = capsys.readouterr().err
    assert host in told and "--new-tokens" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "port must be 0 to 65535, got 70000"),
        (["--tls-cert", "x.pem"], "needs both a certificate and a key"),
        (["--allow-origin", "example.com"], "like https://example.com, got 'example.com'"),
        (["--tokens", "/missing.toml"], "missing.toml"),
        (["--webrtc-ports", "80-90"], "must lie in 1024 to 65535, got 80 to 90"),
        (["--webrtc-ports", "50100-50000"], "got 50100 to 50000"),
        (["--max-room-viewers", "0"], "must be 1 or more at once, got 16, 2000 and 0"),
    ],
)
def test_wrong_options_are_told(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--webrtc-ports", "50000"], "ports are like 50000-50100, got '50000'"),
        (["--stun", "stun.example.com"], "like stun.example.com:3478, got 'stun.example.com'"),
    ],
)
def test_options_that_cannot_be_read_are_told(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["serve", *options])
    assert message in capsys.readouterr().err


def test_half_of_the_tokens_is_not_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SURTITLE_VIEW_TOKEN", TOKENS.view)
    assert main(["serve"]) == 2
    assert "set both" in capsys.readouterr().err


def test_tokens_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(f'publish = "{TOKENS.publish}"\nview = "{TOKENS.view}"\n')
    assert read_tokens(path) == TOKENS


@pytest.mark.parametrize("text", ["secret", 'publish = "secret"', "publish = 1\nview = 2"])
def test_a_wrong_file_is_told_without_its_content(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="tokens.toml must hold two lines") as caught:
        read_tokens(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["short", "with space and more", "x" * 201])
def test_a_bad_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="16 to 200") as caught:
        Tokens(token, TOKENS.view)
    assert token not in str(caught.value)


def test_the_pages_are_shown() -> None:
    lines = greeting(ServerConfig(), 8765, shows_tokens=False)
    assert "http://127.0.0.1:8765/capture\n" in lines
    assert "http://127.0.0.1:8765/overlay?room=main\n" in lines


def test_tokens_are_shown_only_when_they_are_new() -> None:
    config = ServerConfig(host="::", tokens=TOKENS)
    lines = greeting(config, 8765, shows_tokens=True)
    assert f"/capture#token={TOKENS.publish}" in lines
    assert f"/overlay?room=main#token={TOKENS.view}" in lines
    assert "--tls-cert" in lines
    kept = greeting(config, 8765, shows_tokens=False)
    assert TOKENS.view not in kept and TOKENS.publish not in kept
