"""The training losses: next tokens in the autoregressive stage, canvases too in the joint one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..network.batches import Example, pad
from ..network.denoiser import Denoiser, Layer
from ..network.kv_cache import PADDING, KVCache
from .head_loss import head_belief, head_loss

BALANCE_WEIGHT = 0.01  # of the experts' balance loss (Switch Transformer, arXiv 2101.03961, 2.2)
TAIL_WEIGHT = 0.1  # of the padding behind the end mark, which is easy and would drown the text
TAIL_SHARE = 0.25  # of the padding that is scored at all; it then weighs more
SPARE_TOKENS = 8  # that a canvas for a whole answer has at most
SHORT_CANVASES = (8, 12, 16)  # behind a committed beginning
DECAY = 0.95  # of the weight, from each position of a short canvas to the next


def balance_loss(model: Denoiser) -> Tensor:
    """E * sum(share of visits * mean probability) per layer, averaged; 1 when balanced."""
    losses: list[Tensor] = []
    for layer in model.layers:
        assert isinstance(layer, Layer) and layer.routing is not None
        experts, probabilities = layer.routing
        count = probabilities.shape[1]
        share = torch.bincount(experts.flatten(), minlength=count) / experts.numel()
        losses.append(count * (share * probabilities.mean(dim=0)).sum())
    return torch.stack(losses).mean()


def autoregressive_loss(model: Denoiser, batch: Sequence[Example]) -> Tensor:
    """Next-token cross-entropy on the answers, prompt and answer in one causal pass."""
    hidden, _, targets, weights = _causal_pass(model, batch)
    cap = model.config.final_logit_softcapping
    loss = head_loss(hidden, model.embed_tokens.weight, targets, weights, cap)
    return loss + BALANCE_WEIGHT * balance_loss(model)


def _causal_pass(
    model: Denoiser, batch: Sequence[Example]
) -> tuple[Tensor, KVCache, Tensor, Tensor]:
    """Hidden states [N, D] before the answers' tokens, the keys of prompts and answers (without
    the end mark), those tokens [N], and weights [N] that add up to 1."""
    rows = [[*e.prompt, *e.answer] for e in batch]
    tokens = pad(rows, model.config.pad_token_id)  # [B, N]
    where = torch.arange(tokens.shape[1])
    starts = torch.tensor([len(e.prompt) for e in batch])
    ends = torch.tensor([len(row) for row in rows])[:, None]
    hidden, cache = model.encode(tokens[:, :-1], mask=where[:-1] < ends - 1, prompt_tokens=starts)
    asked = (where >= starts[:, None]) & (where < ends)  # [B, N]
    targets = tokens[asked]
    return hidden[asked[:, 1:]], cache, targets, torch.full(targets.shape, 1 / targets.numel())


def joint_loss(
    model: Denoiser,
    batch: Sequence[Example],
    generator: torch.Generator,
    own_drafts: bool = False,
) -> Tensor:
    """Next-token cross-entropy on the answers, and that of canvases that read the same keys.

    1. One causal pass over prompt and answer, as in `autoregressive_loss`.
    2. Half of the rows get a canvas for their whole answer and some padding. The others get a short
       one behind a committed beginning of random length; it often ends before the answer does, and
       counts most where a round of draft and verify decides: at its first tokens.
    3. Of two canvases in five all tokens are random; of the others a share t of the draft's (the
       answer's, where no earlier draft is given), t = sqrt(U(0, 1)).
    4. In half of the batches the model first predicts without gradient; its expectation becomes
       the self-conditioning of a second, less noised canvas. In half of those rows the tokens
       that are not noise are the model's own guesses, so that it learns to mend its mistakes
       (step-unrolled denoising, arXiv 2112.06749).
    5. With `own_drafts`, half of the batches start from the model's own drafts in place of 3 and 4,
       as in the rounds of draft and verify: see `_redrafted`.
    Both losses weigh the same, as in DiffusionGemma's own recipe; the tail behind the end mark
    weighs little.
    """
    hidden, cache, targets, weights = _causal_pass(model, batch)
    balance = balance_loss(model)
    parts = [(hidden, targets, weights)]
    half = (len(batch) + int(torch.randint(0, 2, (), generator=generator))) // 2
    scored: list[tuple[Tensor, Tensor, Tensor]] = []
    redraft = own_drafts and _chance(generator, 0.5)
    for rows, is_whole in ((slice(0, half), True), (slice(half, len(batch)), False)):
        if not batch[rows]:
            continue
        canvases = _Canvases(model, batch, cache, rows, is_whole, generator)
        canvas, expected = canvases.noised(), None
        if redraft:
            canvas, expected = canvases.redrafted()
        elif _chance(generator, 0.5):
            canvas, expected = canvases.denoised_once(canvas)
        scored.append(canvases.scored(canvas, expected))
        balance = balance + balance_loss(model) / 2
    whole = torch.cat([w for _, _, w in scored]).sum()
    parts += [(h, t, w / whole) for h, t, w in scored]
    loss = head_loss(
        torch.cat([h for h, _, _ in parts]),
        model.embed_tokens.weight,
        torch.cat([t for _, t, _ in parts]),
        torch.cat([w for _, _, w in parts]),
        model.config.final_logit_softcapping,
    )
    return loss + BALANCE_WEIGHT * balance


class _Canvases:
    """The canvases of some rows of a batch, behind their prompts and committed beginnings."""

    def __init__(
        self,
        model: Denoiser,
        batch: Sequence[Example],
        cache: KVCache,
        rows: slice,
        is_whole: bool,
        generator: torch.Generator,
    ) -> None:
        self._model, self._cache, self._rows = model, cache, rows
        self._examples, self._is_whole = batch[rows], is_whole
        self._generator = generator
        if is_whole:
            self._commits = [0] * len(self._examples)
            longest = max(max(len(e.answer), len(e.draft)) for e in self._examples)
            self._size = longest + self._integer(SPARE_TOKENS + 1)
        else:
            self._commits = [self._integer(len(e.answer)) for e in self._examples]
            self._size = SHORT_CANVASES[self._integer(len(SHORT_CANVASES))]
        self._clean = self._behind([e.draft for e in self._examples])  # [B, C]
        self._share = torch.where(self._uniform(len(self._clean), 1) < 0.4, 1.0, self._root())

    def noised(self) -> Tensor:
        """The canvas [B, C] that denoising starts from."""
        return self._with_noise(self._clean, self._share)

    def denoised_once(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """A less noised canvas [B, C], and what the model believed of the first one [B, C, D]."""
        temperature = 0.1 + 0.7 * self._uniform(1).item()
        expected, best = self._belief(canvas, temperature)
        share = self._share * self._uniform(len(canvas), 1)
        guessed = self._uniform(len(canvas), 1) < 0.5
        return self._with_noise(torch.where(guessed, best, self._clean), share), expected

    def redrafted(self) -> tuple[Tensor, Tensor | None]:
        """The tail [B, C] of the model's own draft from noise, when the beginning on which the
        answer agrees, and one token more, has been committed; behind it noise. Moves the commits.
        In half of the cases also what the model believed there [B, C, D].
        """
        noise = self._with_noise(self._clean, torch.ones(1, 1))
        expected, draft = self._belief(noise, 0.4)
        answers = [e.answer for e in self._examples]
        agreed = (draft == self._behind(answers)).cumprod(dim=1).sum(dim=1)
        taken = [
            min(int(n) + 1, len(answer) - 1 - commit)
            for n, answer, commit in zip(agreed, answers, self._commits, strict=True)
        ]
        self._commits = [c + n for c, n in zip(self._commits, taken, strict=True)]
        where = torch.arange(self._size) + torch.tensor(taken)[:, None]
        shifted = torch.cat([draft, noise], dim=1).gather(1, where)
        share = torch.where(self._uniform(len(draft), 1) < 0.5, 0.0, self._share)
        canvas = self._with_noise(shifted, share)
        if self._uniform(1).item() < 0.5:
            return canvas, None
        nothing = torch.zeros_like(expected)
        index = where[:, :, None].expand_as(expected)
        return canvas, torch.cat([expected, nothing], dim=1).gather(1, index)

    def scored(self, canvas: Tensor, expected: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states [N, D], targets [N] and weights [N] of the positions that count."""
        hidden = self._model.denoise_hidden(canvas, self._committed(), expected)
        target = self._behind([e.answer for e in self._examples])
        is_tail = target == self._model.config.pad_token_id
        asked = ~is_tail | (self._uniform(*target.shape) < TAIL_SHARE)
        weights = torch.where(is_tail, TAIL_WEIGHT / TAIL_SHARE, 1.0)
        if not self._is_whole:
            weights = weights * DECAY ** torch.arange(self._size)
        return hidden[asked], target[asked], weights[asked]

    def _committed(self) -> KVCache:
        """The keys of prompts and committed beginnings."""
        positions = self._cache.positions[self._rows]
        ends = [len(e.prompt) + n for e, n in zip(self._examples, self._commits, strict=True)]
        seen = (positions >= 0) & (positions < torch.tensor(ends)[:, None])
        layers = tuple((k[self._rows], v[self._rows]) for k, v in self._cache.layers)
        return KVCache(torch.where(seen, positions, PADDING), layers)

    def _behind(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """What of the texts comes behind the commits, [B, C], padded."""
        rest = [text[n : n + self._size] for text, n in zip(texts, self._commits, strict=True)]
        return pad(rest, self._model.config.pad_token_id, self._size)

    @torch.no_grad()
    def _belief(self, canvas: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Expected embeddings [B, C, D] and the likeliest tokens [B, C]."""
        model = self._model
        hidden = model.denoise_hidden(canvas, self._committed())
        cap = model.config.final_logit_softcapping
        mean, best = head_belief(hidden.flatten(0, 1), model.embed_tokens.weight, cap, temperature)
        return mean.view_as(hidden) * model.config.hidden_size**0.5, best.view_as(canvas)

    def _with_noise(self, clean: Tensor, share: Tensor) -> Tensor:
        vocabulary = self._model.config.vocab_size
        noise = torch.randint(0, vocabulary, clean.shape, generator=self._generator)
        return torch.where(self._uniform(*clean.shape) < share, noise, clean)

    def _root(self) -> Tensor:
        return self._uniform(len(self._clean), 1).sqrt()

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator)

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (), generator=self._generator))


def _chance(generator: torch.Generator, share: float) -> bool:
    return torch.rand((), generator=generator).item() < share
