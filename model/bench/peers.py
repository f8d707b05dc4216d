"""Who takes part in the comparison of quality: the model, its teacher, and Apertium."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..engine.canvas import MAX_CANVAS
from ..errors import PeerError
from ..network.config import load_sampler_config
from ..network.tokenizer import Direction, TranslationTokenizer
from ..network.weights import load_model
from ..translation import ON_CPU, VERIFIER_BEAMS, Request, Translations
from ..verifier import beam_search
from ..verifier.causal_layers import CausalLayers
from ..verifier.loading import load_reader, load_verifier

_ISO_639_3 = dict(de="deu", en="eng", es="spa", fr="fra", it="ita", pt="por", ja="jpn", zh="zho")


@dataclass(frozen=True, slots=True)
class Contestant:
    """`translate` takes all lines at once: with one line, it does what somebody waits for."""

    name: str
    translate: Callable[[Sequence[str]], list[str]]


def contestants(folder: Path, direction: Direction) -> list[Contestant]:
    """All that can be had on this machine. Raises CheckpointError, PeerError."""
    own = list(_own(folder, direction))
    apertium = find_apertium(direction)
    return [*own, apertium] if apertium else own


def _own(folder: Path, direction: Direction) -> Iterator[Contestant]:
    """The model on the CPU, as `surtitle translate` runs it there; and its two halves: a canvas by
    itself, and its verifier, which is the autoregressive teacher, with the texts as they are."""
    tokenizer = TranslationTokenizer.load(folder)
    model, sampler = load_model(folder), load_sampler_config(folder)
    verifier = load_verifier(folder, torch.float32, "cpu")
    reader = load_reader(folder, torch.float32, "cpu")
    together = Translations(model, tokenizer, sampler, verifier=verifier, reader=reader)
    yield Contestant("surtitle", partial(_translate, together, direction))
    if verifier is not None:
        layers = CausalLayers(verifier, int8=ON_CPU.int8)
        alone = Translations(model, tokenizer, sampler)
        yield Contestant("one canvas alone", partial(_translate, alone, direction))

        def decode(texts: Sequence[str]) -> list[str]:
            prompts = [tokenizer.prompt(text, *direction) for text in texts]
            answers = beam_search.decode(layers, prompts, MAX_CANVAS, beams=VERIFIER_BEAMS)
            return [tokenizer.decode(found[0].tokens) if found else "" for found in answers]

        yield Contestant(f"autoregressive teacher, {VERIFIER_BEAMS} beams", decode)


def _translate(translations: Translations, direction: Direction, texts: Sequence[str]) -> list[str]:
    requests = [Request(text, *direction) for text in texts]
    return [answer.text for answer in translations.translate(requests)]


def find_apertium(direction: Direction) -> Contestant | None:
    """The rule-based translator, if it is installed and knows the direction."""
    program = shutil.which("apertium")
    mode = "-".join(_ISO_639_3.get(language, "") for language in direction)
    if program is None or mode not in _run([program, "-l"]).split():
        return None

    def translate(texts: Sequence[str]) -> list[str]:
        # An empty line ends a sentence: else words would move from line to line.
        output = _run([program, "-u", mode], "".join(f"{text}\n\n" for text in texts))
        lines = output.split("\n")
        if len(lines) != 2 * len(texts) + 1:
            raise PeerError(f"apertium {mode} made {len(lines) - 1} lines of {2 * len(texts)}")
        return [" ".join(line.split()) for line in lines[:-1:2]]

    return Contestant(_run([program, "-V"]).strip(), translate)


def _run(command: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerError(f"{' '.join(command)} failed: {error}") from error
    return done.stdout.decode("utf-8")
