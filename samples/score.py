"""Print how well each recording is heard and translated: `python samples/score.py`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import jiwer
from sacrebleu.metrics.chrf import CHRF

from surtitle.pipeline.config import BatchConfig, RecognizerConfig, TranslatorConfig
from surtitle.pipeline.recognizers.choice import open_recognizer
from surtitle.pipeline.recording import transcribe
from surtitle.pipeline.translators import open_translator
from surtitle.pipeline.translators.queue import TranslationQueue

HERE = Path(__file__).parent


def main() -> None:
    recognizer = open_recognizer(RecognizerConfig(), "en", print, is_live=False)
    queue = TranslationQueue(open_translator(TranslatorConfig("own")))
    for recording in (HERE / "harbor.flac", HERE / "soup.mp4"):
        config = BatchConfig("en", ("es",))
        transcript = asyncio.run(transcribe(recording, config, recognizer, queue, lambda ms: None))
        heard = [segment.text for segment in transcript.segments]
        translated = transcript.translations["es"]
        for source, target in zip(heard, translated, strict=True):
            print(f"{source}\n    {target}")
        reference = (HERE / f"{recording.stem}.en.txt").read_text().lower()
        reference = " ".join(re.findall(r"[a-z']+", reference))
        said = " ".join(re.findall(r"[a-z']+", " ".join(heard).lower()))
        wer = jiwer.wer(reference, said)
        # As one text each: the recognizer's utterances need not be the reference's lines.
        wanted = (HERE / f"{recording.stem}.es.txt").read_text().replace("\n", " ").strip()
        chrf = CHRF().corpus_score([" ".join(translated)], [[wanted]]).score
        print(f"{recording.name}: WER {wer:.1%}, chrF {chrf:.1f}\n")


if __name__ == "__main__":
    main()
