from pathlib import Path

import av
import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import to_ms
from surtitle.pipeline.config import BatchConfig, Term, VadConfig
from surtitle.pipeline.errors import MediaError, TranslatorError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess
from surtitle.pipeline.recording import subtitle, tracks
from surtitle.pipeline.translators.queue import TranslationQueue

from .scripted_translator import ScriptedTranslator

SAMPLE = Path(__file__).parents[2] / "samples" / "harbor.flac"


class CountingRecognizer:
    """Hears "one two three" in every utterance, in French."""

    name = "Counter"
    languages = frozenset({"en", "fr"})
    is_written = False
    file_vad = VadConfig()

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("fr", 0.9)

    def recognize(self, utterance: Utterance, language: str) -> list[Word]:
        start = to_ms(utterance.start_sample)
        third = to_ms(utterance.samples.size) // 3
        texts = ("one", "two", "three")
        return [
            Word(t, start + i * third, start + (i + 1) * third, 1.0) for i, t in enumerate(texts)
        ]


def _subtitle(
    path: Path, config: BatchConfig, translator: ScriptedTranslator | None = None
) -> object:
    queue = TranslationQueue(translator or ScriptedTranslator())
    return subtitle(path, config, CountingRecognizer(), queue, lambda ms: None)


def test_every_target_is_translated(tmp_path: Path) -> None:
    translator = ScriptedTranslator()
    _subtitle(SAMPLE, BatchConfig("en", ("es", "de"), output_dir=tmp_path), translator)
    assert {request.target for request in translator.asked} == {"es", "de"}


def test_files_of_a_bilingual_run(tmp_path: Path) -> None:
    config = BatchConfig("en", ("es",), ("srt", "vtt"), bilingual=True, output_dir=tmp_path)
    _subtitle(SAMPLE, config)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"harbor.{languages}.{extension}"
        for languages in ("en-es", "en", "es")
        for extension in ("srt", "vtt")
    ]
    text = (tmp_path / "harbor.en-es.srt").read_text(encoding="utf-8")
    assert "One two three." in text and "[es] one two three" in text


def test_language_is_found_by_listening(tmp_path: Path) -> None:
    _subtitle(SAMPLE, BatchConfig(None, ("es",), output_dir=tmp_path))
    assert (tmp_path / "harbor.fr.srt").exists()


def test_a_target_that_is_spoken_is_not_translated(tmp_path: Path) -> None:
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    _subtitle(SAMPLE, BatchConfig("es", ("es",), output_dir=tmp_path), translator)
    assert translator.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["harbor.es.srt"]


def test_unknown_pair_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(TranslatorError, match="en to de"):
        _subtitle(
            SAMPLE,
            BatchConfig("en", ("de",), output_dir=tmp_path),
            ScriptedTranslator(targets=frozenset({"es"})),
        )
    assert not list(tmp_path.iterdir())


def test_silence_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="nobody speaks"):
        _subtitle(path, BatchConfig("en", ("es",)))
    assert list(tmp_path.iterdir()) == [path]


def test_progress_reaches_the_end() -> None:
    heard: list[int] = []
    config = BatchConfig("en", output_dir=Path("/nonexistent"))
    with pytest.raises(Exception, match="no folder"):
        subtitle(
            SAMPLE,
            config,
            CountingRecognizer(),
            TranslationQueue(ScriptedTranslator()),
            heard.append,
        )
    assert heard == sorted(heard) and abs(heard[-1] - 68_760) < 100


def test_tracks_without_output_dir_stand_beside_the_recording() -> None:
    (track,) = tracks(Path("a/talk.mp4"), BatchConfig("en"), "en")
    assert track.path == Path("a/talk.en.srt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "english"}, "'english'"),
        ({"targets": ("es", "xx1")}, "'xx1'"),
        ({"formats": ("doc",)}, "'doc'"),
        ({"bilingual": True}, "target language"),
    ],
)
def test_config_refuses(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchConfig(**settings)  # type: ignore[arg-type]


def test_terms_of_the_glossary_are_required_where_they_are_said(tmp_path: Path) -> None:
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    terms = (Term("two three", {"es": "dos y tres"}), Term("four", {"es": "cuatro"}))
    _subtitle(SAMPLE, BatchConfig("en", ("es",), output_dir=tmp_path, terms=terms), translator)
    assert {request.required for request in translator.asked} == {("dos y tres",)}
