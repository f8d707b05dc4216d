import argparse

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.commands.options import add_translator_options, translator_config
from surtitle.pipeline.config import TranslatorConfig


def exit_status(*options: str) -> object:
    with pytest.raises(SystemExit) as stopped:
        main(["subtitle", "talk.wav", *options])
    return stopped.value.code


def test_the_recognizer_that_is_gone_names_the_others_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_status("--asr", "sphinx") == 2
    assert capsys.readouterr().err == (
        "surtitle: PocketSphinx is gone; use --asr moonshine for English, or --asr whisper\n"
    )


def test_a_recognizer_that_never_was_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("--asr", "siri") == 2
    err = capsys.readouterr().err
    assert "'siri' is none of auto, moonshine, whisper" in err and "sphinx" not in err


def translator_of(*options: str) -> TranslatorConfig:
    parser = argparse.ArgumentParser()
    add_translator_options(parser)
    return translator_config(parser.parse_args(options))


def test_a_translator_is_a_name_or_the_address_of_an_llm_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SURTITLE_LLM_KEY", "sk-12345")
    assert translator_of("--translator", "echo").name == "echo"
    config = translator_of(
        *("--translator", "https://llm.example/v1"), *("--llm-model", "m"), *("--llm-requests", "3")
    )
    assert config.is_address and config.name == "https://llm.example/v1"
    assert (config.llm_model, config.llm_requests, config.llm_key) == ("m", 3, "sk-12345")


def test_a_translator_that_never_was_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("--translator", "babelfish") == 2
    error = (
        "'babelfish' is none of auto, own, ct2, echo, nor an address like http://localhost:8000/v1"
    )
    assert error in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--translator", "http://"], "the address of an LLM server is like"),
        (["--translator", "ftp://host/v1"], "the address of an LLM server is like"),
        (["--translator", "http://me:hunter2@host/v1"], "without a user, a password"),
        (["--translator", "http://host/v1?key=hunter2"], "without a user, a password"),
        (["--translator", "http://host/v1", "--checkpoint", "x"], "has its own checkpoints"),
        (["--llm-model", "m"], "needs the address of its server"),
        (["--translator", "http://host/v1", "--llm-requests", "0"], "must be 1 to 1000, got 0"),
    ],
)
def test_options_of_translators_that_do_not_fit_end_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", "--to", "es", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "hunter2" not in error


def test_a_key_that_is_none_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SURTITLE_LLM_KEY", "sk-secret\n")
    assert main(["translate", "--to", "es", "--translator", "http://localhost:1/v1"]) == 2
    error = capsys.readouterr().err
    assert "visible ASCII" in error and "secret" not in error
