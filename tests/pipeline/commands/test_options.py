import pytest

from surtitle.pipeline.cli import main


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
