"""Who takes part in the comparison of quality: the model, its halves, and Apertium."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import PeerError
from ..network.config import VERIFIED, load_sampler_config
from ..network.tokenizer import Direction, TranslationTokenizer
from ..network.weights import load_model
from ..training.rounds import draft_once, write_greedily
from ..translation import Answer, Request, Translations

_ISO_639_3 = dict(de="deu", en="eng", es="spa", fr="fra", it="ita", pt="por", ja="jpn", zh="zho")


@dataclass(frozen=True, slots=True)
class Contestant:
    """`translate` takes all lines at once: with one line, it does what somebody waits for. `answer`
    does the same, and tells what it took, where that is to be counted."""

    name: str
    translate: Callable[[Sequence[str]], list[str]]
    answer: Callable[[Sequence[str]], list[Answer]] | None = None


def contestants(folder: Path, direction: Direction) -> list[Contestant]:
    """All that can be had on this machine. Raises CheckpointError, PeerError."""
    own = list(_own(folder, direction))
    apertium = find_apertium(direction)
    return [*own, apertium] if apertium else own


def _own(folder: Path, direction: Direction) -> Iterator[Contestant]:
    """The model on the CPU, as `surtitle translate` runs it there. Where answers are drafted and
    verified, its two halves by themselves too, in float32 and by the plain passes of the network:
    what it writes greedily, from left to right, and what one denoising pass draws at once."""
    tokenizer = TranslationTokenizer.load(folder)
    model, sampler = load_model(folder), load_sampler_config(folder)
    together = Translations(model, tokenizer, sampler)

    def answer(texts: Sequence[str]) -> list[Answer]:
        return together.translate([Request(text, *direction) for text in texts])

    def translate(texts: Sequence[str]) -> list[str]:
        return [found.text for found in answer(texts)]

    def prompts(texts: Sequence[str]) -> list[list[int]]:
        return [tokenizer.prompt(text, *direction) for text in texts]

    def write(texts: Sequence[str]) -> list[str]:
        written = write_greedily(model, prompts(texts))
        ends = model.config.eos_token_ids
        return [tokenizer.decode([t for t in one.tokens if t not in ends]) for one in written]

    def draw(texts: Sequence[str]) -> list[str]:
        drafts = draft_once(model, prompts(texts))
        return [tokenizer.decode(draft) for draft in drafts]

    is_verified = sampler.decoding == VERIFIED
    yield Contestant("surtitle", translate, answer if is_verified else None)
    if is_verified:
        yield Contestant("greedy", write)
        yield Contestant("one draft", draw)


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
