"""The export: a checkpoint folder, with a README that says what it is and how good it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from ..bench.evaluation import Scores, evaluate
from ..bench.latency import Latency, measure_latency, processor, timed_sentences
from ..network.batches import Pair
from ..network.config import SamplerConfig, load_sampler_config, save_sampler_config
from ..network.denoiser import Denoiser
from ..network.spelling import spoken
from ..network.tokenizer import Direction, TranslationTokenizer
from ..network.weights import load_model, save_model
from ..translation import Request, Translations
from .corpus import Corpus
from .curve import learning_curve
from .display import Display
from .settings import Settings, names
from .validation import best_path, read_curve, sample

MAX_LINES = 1000  # that are scored of a direction
MAX_LINES_IN_ALL = 4000


@dataclass(frozen=True, slots=True)
class Row:
    direction: Direction
    source: str  # "written" or "spoken"
    scores: Scores


def export(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    corpus: Corpus,
    settings: Settings,
    display: Display,
) -> None:
    """Write RUN/model, unless it is there and no older than the weights."""
    folder = settings.run / "model"
    card = folder / "README.md"
    best = best_path(settings.run, "joint")
    if settings.stage is None and card.exists() and _age(card) >= _age(best):
        display.say(f"export: finished before, see {card}")
        return
    sampler = load_sampler_config(settings.run)
    save_model(model, folder, torch.float16)
    tokenizer.save(folder)
    save_sampler_config(sampler, model.config, folder)
    (folder / "curve.svg").write_text(learning_curve(read_curve(settings.run)), encoding="utf-8")
    model = load_model(folder)  # what is measured is what was written
    translations = Translations(model, tokenizer, sampler)
    rows: list[Row] = []
    for row in _score(translations, corpus.dev, settings.directions):
        display.say(
            f"{'-'.join(row.direction)}, {row.source}: "
            f"BLEU {row.scores.bleu:.1f}, chrF {row.scores.chrf:.1f} on {row.scores.lines} lines"
        )
        rows.append(row)
    direction = settings.directions[0]
    timed = timed_sentences([pair.source for pair in corpus.dev if pair.direction == direction])
    latency = measure_latency(
        lambda text: translations.translate([Request(text, *direction)]), timed
    )
    parts = [
        _title(model, settings, folder, sampler),
        _scores(rows),
        _speed(latency, timed),
        _making(settings, corpus),
        _data(settings),
    ]
    card.write_text("\n".join(parts), encoding="utf-8")
    display.say(f"export: {folder} is ready; {card} says how good it is")


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _score(
    translations: Translations, dev: Sequence[Pair], directions: Sequence[Direction]
) -> Iterator[Row]:
    most = min(MAX_LINES, MAX_LINES_IN_ALL // len(directions))
    for direction in directions:
        pairs = sample((pair for pair in dev if pair.direction == direction), most)
        references = [pair.target for pair in pairs]
        written = [pair.source for pair in pairs]
        sources = {"written": written, "spoken": [spoken(text) for text in written]}
        for name, texts in sources.items():
            requests = [Request(text, *direction) for text in texts]
            answers = [answer.text for answer in translations.translate(requests)]
            scores = evaluate(texts, answers, references, direction[1])
            yield Row(direction, name, scores)


def _title(model: Denoiser, settings: Settings, folder: Path, sampler: SamplerConfig) -> str:
    config = model.config
    count = sum(parameter.numel() for parameter in model.parameters())
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    kinds = Counter(kind.removesuffix("_attention") for kind in config.layer_types)
    layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"""# A translator for {names(settings.directions)}

{count / 1e6:.1f} M parameters, {size / 1e6:.1f} MB stored (float16). Made by `surtitle train`,
{_today()}.

| | |
|---|---|
| directions | {names(settings.directions)} |
| layers | {config.num_hidden_layers} ({layers}), width {config.hidden_size}, \
{config.num_attention_heads} query and {config.num_key_value_heads} KV heads of {config.head_dim} |
| feed-forward | dense {config.intermediate_size}, and {config.num_experts} experts of \
{config.moe_intermediate_size}, {config.top_k_experts} active |
| vocabulary | {config.vocab_size}, byte-level BPE |
| sampler | at most {sampler.max_denoising_steps} steps, temperature {sampler.t_max} falling to \
{sampler.t_min} |
"""


def _scores(rows: Sequence[Row]) -> str:
    lines = [
        "## How good it is",
        "",
        'On held-out pairs, one reference each. "Spoken" is the same text in lower case without',
        "punctuation, as a recognizer without these writes it. Empty, looping (one word more than",
        "three times in a row) and copied answers are counted.",
        "",
        "| direction | source | BLEU | chrF | lines | empty | looping | copied |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        s = row.scores
        lines.append(
            f"| {'-'.join(row.direction)} | {row.source} | {s.bleu:.1f} | {s.chrf:.1f} | "
            f"{s.lines} | {s.empty} | {s.looping} | {s.copied} |"
        )
    signatures = sorted({signature for row in rows for signature in row.scores.signatures})
    lines += ["", "sacrebleu's signatures:", *(f"- `{signature}`" for signature in signatures), ""]
    return "\n".join(lines)


def _speed(latency: Latency, timed: Sequence[str]) -> str:
    words = [len(text.split()) for text in timed]
    return f"""## How fast it is

A sentence of {min(words)} to {max(words)} words by itself, the median of {len(timed)} of them:
{latency.median_ms:.0f} ms; 90 % take less than {latency.p90_ms:.0f} ms. {processor()},
{torch.get_num_threads()} threads, {_today()}.
"""


def _making(settings: Settings, corpus: Corpus) -> str:
    commands = (settings.run / "commands.txt").read_text(encoding="utf-8").splitlines()
    counts = Counter("-".join(pair.direction) for pair in corpus.train)
    pairs = ", ".join(f"{count} of {name}" for name, count in counts.items())
    lines = [
        "## How it was made",
        "",
        *(f"    {command}" for command in commands),
        "",
        f"It learned from these pairs: {pairs}.",
        "It was tried on held-out pairs now and then, and the weights of the best chrF were taken:",
        "",
        "| stage | minutes | steps | loss | chrF | best chrF | of one draft | tokens a round |",
        "|---|---|---|---|---|---|---|---|",
    ]
    curve = read_curve(settings.run)
    for stage in dict.fromkeys(point.stage for point in curve):
        points = [point for point in curve if point.stage == stage]
        last, best = points[-1], max(point.chrf for point in points)
        draft = (
            "| |" if last.draft_chrf is None else f"{last.draft_chrf:.1f} | {last.round_tokens} |"
        )
        lines.append(
            f"| {stage} | {last.seconds / 60:.1f} | {last.step} | {last.loss:.2f} | "
            f"{last.chrf:.1f} | {best:.1f} | {draft}"
        )
    lines += ["", "![chrF and loss over the time of training](curve.svg)", ""]
    return "\n".join(lines)


def _data(settings: Settings) -> str:
    heading = "## Data and attribution"
    lines = [
        heading,
        "",
        "TO BE WRITTEN by whoever passes this model on: where its texts come from, under which",
        "licenses, and the attribution that these ask for.",
        "",
    ]
    if settings.start_from:
        readme = settings.start_from / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.exists() else ""
        before = text.partition(f"{heading}\n")[2].partition("\n## ")[0].strip()
        lines += [f"It started from the model {settings.start_from.name}, of which this holds:", ""]
        lines += [before or "TO BE WRITTEN, as above: that model's folder does not say.", ""]
    return "\n".join(lines)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
