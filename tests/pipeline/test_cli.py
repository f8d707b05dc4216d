import io
from pathlib import Path

import pytest

from surtitle.pipeline.cli import main

SAMPLE = Path(__file__).parents[2] / "samples" / "harbor.flac"
QUICK = ["--translator", "echo", "--asr", "moonshine", "--to", "es"]


def piped(data: bytes) -> io.TextIOWrapper:
    """Standard input with these bytes."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="ascii", errors="surrogateescape")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the sample."""
    import av

    path = tmp_path_factory.mktemp("clip") / "clip.flac"
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("flac", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            if frame.time > 8:
                break
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out.startswith("surtitle ")


def test_bad_file_is_reported_and_others_go_on(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    out = tmp_path / "out"
    status = main(["subtitle", str(bad), str(clip), *QUICK, "--output-dir", str(out)])
    assert status == 1
    assert sorted(path.name for path in out.iterdir()) == ["clip.en.srt", "clip.es.srt"]
    assert "bad.mp4 is empty" in capsys.readouterr().err


def test_finished_recordings_are_skipped_unless_forced(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("clip.en.srt", "clip.es.srt"):
        (tmp_path / name).write_text("mine")
    command = ["subtitle", str(clip), *QUICK, "--output-dir", str(tmp_path)]
    assert main(command) == 0
    assert "finished before" in capsys.readouterr().err
    assert (tmp_path / "clip.es.srt").read_text() == "mine"
    assert main([*command, "--force"]) == 0
    assert (tmp_path / "clip.es.srt").read_text() != "mine"


def test_with_unknown_language_any_one_counts_as_finished(clip: Path, tmp_path: Path) -> None:
    for name in ("clip.en.srt", "clip.es.srt"):
        (tmp_path / name).write_text("mine")
    command = ["subtitle", str(clip), *QUICK, "--from", "auto", "--output-dir", str(tmp_path)]
    assert main(command) == 0
    assert (tmp_path / "clip.es.srt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "spanish"], "'spanish'"),
        (["--format", "doc"], "'doc'"),
        (["--terms", "/nonexistent/terms"], "/nonexistent/terms"),
    ],
)
def test_wrong_usage(
    clip: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["subtitle", str(clip), *options]) == 2
    assert message in capsys.readouterr().err


def test_two_recordings_of_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["subtitle", "a/talk.mp4", "a/talk.wav"]) == 2
    assert "same files" in capsys.readouterr().err


def test_translate_writes_as_many_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", piped(b"One.\n\nTwo.\n"))
    assert main(["translate", "--to", "es", "--translator", "echo"]) == 0
    assert capsys.readouterr().out == "[es] One.\n\n[es] Two.\n"


def test_translate_keeps_to_a_glossary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terms = tmp_path / "terms.txt"
    terms.write_text("harbor = Fondeadero\n")
    monkeypatch.setattr("sys.stdin", piped(b"The harbor is old.\nThe house is old.\n"))
    assert main(["translate", "--to", "es", "--terms", str(terms)]) == 0
    harbor, house = capsys.readouterr().out.splitlines()
    assert "Fondeadero" in harbor
    assert "Fondeadero" not in house


def test_translate_refuses_broken_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "terms.txt").write_text("harbor =\n")
    assert main(["translate", "--to", "es", "--terms", str(tmp_path / "terms.txt")]) == 2
    assert "line 1 of the terms" in capsys.readouterr().err


def test_broken_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "--to", "es", "--checkpoint", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "tokenizer.json is missing" in error and "Traceback" not in error


@pytest.mark.parametrize("command", [["translate"], ["subtitle", "a.wav"], ["live"]])
def test_the_old_name_of_a_translator_gets_one_line_with_the_new_one(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--to", "es", "--translator", "diffusion"])
    assert exit_.value.code == 2
    error = f"surtitle {command[0]}: --translator diffusion is called own now\n"
    assert capsys.readouterr().err == error


def test_a_byte_order_mark_is_no_part_of_the_first_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", piped("Él.\r\nÉl.\r\n".encode("utf-8-sig")))
    assert main(["translate", "--to", "es", "--translator", "echo"]) == 0
    assert capsys.readouterr().out == "[es] Él.\n[es] Él.\n"


def test_lines_in_another_encoding_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", piped("One.\nÉl.\n".encode("latin-1")))
    assert main(["translate", "--to", "es", "--translator", "echo"]) == 1
    assert "standard input: line 2 is not UTF-8" in capsys.readouterr().err
