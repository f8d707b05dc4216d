"""Print the word error rate of PocketSphinx on each recording: `python samples/score.py`."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer

from surtitle.pipeline.recognizers.sphinx import SphinxRecognizer
from surtitle.pipeline.sources.file import read_audio
from surtitle.pipeline.vad import Vad

HERE = Path(__file__).parent


def main() -> None:
    for recording in (HERE / "harbor.flac", HERE / "soup.mp4"):
        reference = (HERE / f"{recording.stem}.en.txt").read_text().lower()
        reference = " ".join(re.findall(r"[a-z']+", reference))
        heard = recognize(recording)
        output = jiwer.process_words(reference, " ".join(heard))
        print(jiwer.visualize_alignment(output, show_measures=False, skip_correct=True))
        print("\n".join(heard))
        words = len(reference.split())
        errors = output.substitutions + output.deletions + output.insertions
        print(f"{recording.name}: {errors} errors in {words} words, WER {output.wer:.1%}\n")


def recognize(recording: Path) -> list[str]:
    """Return what is understood of each utterance, without punctuation."""
    recognizer = SphinxRecognizer()
    vad = Vad(recognizer.file_vad)
    utterances = [utterance for chunk in read_audio(recording) for utterance in vad.push(chunk)]
    utterances += vad.flush()
    return [
        " ".join(word.text for word in recognizer.recognize(utterance, "en"))
        for utterance in utterances
    ]


if __name__ == "__main__":
    main()
