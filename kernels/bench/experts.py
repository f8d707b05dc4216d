"""B1: the mixture of experts, from the residual and the router to the sum of the visits."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..moe_ffn import moe_ffn
from ..moe_route import moe_route
from ..moe_route import reference as reference_route
from ..rms_norms import rms_norms
from ..shapes import ACTIVE, EXPERTS, HIDDEN, WIDTH
from .contest import Case, Contestant, Host, Outputs, Run, Work, compiled, ours

LAYERS = 2
SKEWS = {"uniform": 0.0, "Zipf": 1.0}  # how likely the k-th expert is: k ** -skew
EPS = 1e-6


@dataclass(frozen=True, slots=True)
class _Sizes:
    width: int
    hidden: int
    experts: int
    active: int
    tokens: tuple[int, ...]
    compiled_tokens: tuple[int, ...]  # for which peers are compiled too: that takes time
    dense_tokens: int  # the most for which computing all experts for all is tried


RELEASED = _Sizes(
    WIDTH,
    HIDDEN,
    EXPERTS,
    ACTIVE,
    tokens=(16, 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096),
    compiled_tokens=(48, 1024),
    dense_tokens=512,
)
TOY = _Sizes(64, 24, 8, 2, tokens=(16, 48), compiled_tokens=(48,), dense_tokens=16)


@dataclass(frozen=True, slots=True)
class _Experts:
    """The weights of one layer: gate_up [E, 2F, D], down [E, D, F], router [E, D], the gain [D]
    of its norm and the scale [E] per expert."""

    gate_up: Tensor
    down: Tensor
    router: Tensor
    gain: Tensor
    per_expert: Tensor


def cases(host: Host) -> Iterator[Case]:
    sizes = TOY if host.toy else RELEASED
    layers = [_layer(host, sizes) for _ in range(LAYERS)]
    for tokens in sizes.tokens:
        for name, skew in SKEWS.items():
            x, chosen = _tokens(host, sizes, tokens, skew)
            compile_too = tokens in sizes.compiled_tokens and not skew
            yield _case(host, sizes, layers, x, chosen, name, compile_too)


def _layer(host: Host, sizes: _Sizes) -> _Experts:
    width, hidden, experts = sizes.width, sizes.hidden, sizes.experts
    router = torch.zeros(experts, width, dtype=host.dtype, device=host.device)
    router.fill_diagonal_(0.5 * width**0.5)  # reads the first values of a token: see _tokens
    return _Experts(
        gate_up=host.normal(experts, 2 * hidden, width, spread=width**-0.5),
        down=host.normal(experts, width, hidden, spread=hidden**-0.5),
        router=router,
        gain=torch.full((width,), width**-0.5, dtype=host.dtype, device=host.device),
        per_expert=torch.ones(experts, dtype=host.dtype, device=host.device),
    )


def _tokens(host: Host, sizes: _Sizes, tokens: int, skew: float) -> tuple[Tensor, Tensor]:
    """x [T, D] and the experts [T, A] that it is routed to, drawn with the skew. Its first values
    say so, with a margin: contestants round differently, and are to agree."""
    ranks = torch.arange(1, sizes.experts + 1, device=host.device)
    noise = -torch.empty(tokens, sizes.experts, device=host.device).exponential_().log()
    chosen = (noise - skew * ranks.log()).topk(sizes.active).indices
    x = host.normal(tokens, sizes.width)
    x[:, : sizes.experts] *= 0.1
    levels = 4 + torch.arange(sizes.active, dtype=host.dtype, device=host.device) / sizes.active
    x.scatter_(1, chosen, levels.expand(tokens, -1))
    return x, chosen


def _case(
    host: Host,
    sizes: _Sizes,
    layers: list[_Experts],
    x: Tensor,
    chosen: Tensor,
    routing: str,
    compile_too: bool,
) -> Case:
    tokens, width, hidden = len(x), sizes.width, sizes.hidden
    touched = len(cast("list[int]", chosen.unique().tolist()))
    read = touched * 3 * hidden * width + 2 * tokens * width
    work = Work(bytes=read * x.element_size(), flop=6 * tokens * sizes.active * hidden * width)
    contestants = [
        *ours(partial(_ours, layers, x, sizes.active), host),
        Contestant("transformers", partial(_transformers, sizes, layers, x, _block)),
        Contestant("grouped_mm alone", partial(_grouped, layers, x, chosen), finish=None),
        Contestant("Liger (SwiGLU)", partial(_liger, layers, x, sizes.active), None, graph=False),
    ]
    if compile_too:
        block = compiled(_block, host)
        prepare = partial(_transformers, sizes, layers, x, block)
        contestants.append(Contestant("transformers, compiled", prepare))
    if tokens <= sizes.dense_tokens:
        contestants.append(Contestant("dense bmm", lambda: partial(_dense, layers, x, sizes)))
    return Case(
        "B1 experts",
        routing,
        tokens,
        (work,),
        partial(_expected, layers[0], x, sizes.active),
        contestants,
        turns=len(layers),
    )


def _ours(layers: list[_Experts], x: Tensor, active: int, turn: int) -> Outputs:
    layer = layers[turn]
    weights, experts = _route(layer, x, active)
    return (moe_ffn(x, weights, experts, layer.gate_up, layer.down),)


def _route(layer: _Experts, x: Tensor, active: int) -> tuple[Tensor, Tensor]:
    (normed,) = rms_norms(x, (layer.gain,), EPS)
    weights, experts, _ = moe_route(normed @ layer.router.T, layer.per_expert, active)
    return weights, experts


def _expected(layer: _Experts, x: Tensor, active: int) -> Outputs:
    """In float32, expert by expert."""
    normed = F.rms_norm(x.float(), x.shape[1:], layer.gain.float(), EPS)
    scores = normed @ layer.router.float().T
    weights, experts, _ = reference_route(scores, layer.per_expert.float(), active)
    out = torch.zeros_like(x, dtype=torch.float32)
    for e in range(len(layer.router)):
        token, slot = (experts == e).nonzero().unbind(1)
        gate, up = (x[token].float() @ layer.gate_up[e].float().T).chunk(2, dim=-1)
        visits = (F.gelu(gate, approximate="tanh") * up) @ layer.down[e].float().T
        out.index_add_(0, token, visits * weights[token, slot, None])
    return (out,)


def _block(router: nn.Module, experts: nn.Module, x: Tensor) -> Tensor:
    _, weights, chosen = router(x)
    return experts(x, chosen, weights)


def _transformers(
    sizes: _Sizes, layers: list[_Experts], x: Tensor, block: Callable[..., Tensor]
) -> Run:
    """Its router and experts, with its grouped_mm implementation, over our weights."""
    package = "transformers.models.diffusion_gemma"
    configuration = importlib.import_module(f"{package}.configuration_diffusion_gemma")
    modeling: Any = importlib.import_module(f"{package}.modeling_diffusion_gemma")
    config = configuration.DiffusionGemmaTextConfig(
        hidden_size=sizes.width,
        num_experts=sizes.experts,
        top_k_experts=sizes.active,
        moe_intermediate_size=sizes.hidden,
    )
    config._experts_implementation = "grouped_mm"
    modules: list[tuple[nn.Module, nn.Module]] = []
    for layer in layers:
        with torch.device("meta"):
            router: Any = modeling.DiffusionGemmaTextRouter(config)
            experts: Any = modeling.DiffusionGemmaTextExperts(config)
        router.proj.weight = _frozen(layer.router)
        router.scale = _frozen(torch.ones_like(layer.gain))
        router.per_expert_scale = _frozen(layer.per_expert)
        experts.gate_up_proj, experts.down_proj = _frozen(layer.gate_up), _frozen(layer.down)
        modules.append((router, experts))
    return lambda turn: (block(*modules[turn], x),)


def _frozen(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)


def _grouped(layers: list[_Experts], x: Tensor, chosen: Tensor) -> Run:
    """Only the two products and what is between them, over tokens that are already sorted."""
    order = chosen.flatten().argsort(stable=True)
    entering = x[order // chosen.shape[1]]
    counts = torch.bincount(chosen.flatten(), minlength=len(layers[0].router))
    ends = counts.cumsum(0).to(torch.int32)

    def run(turn: int) -> Outputs:
        layer = layers[turn]
        both = F.grouped_mm(entering, layer.gate_up.transpose(1, 2), offs=ends)
        gate, up = both.chunk(2, dim=-1)
        hidden = F.gelu(gate, approximate="tanh") * up
        return (F.grouped_mm(hidden, layer.down.transpose(1, 2), offs=ends),)

    return run


def _liger(layers: list[_Experts], x: Tensor, active: int) -> Run:
    """Liger-Kernel's fused experts: their activation is another one that costs as much."""
    function: Any = importlib.import_module("liger_kernel.ops.fused_moe").LigerFusedMoEFunction

    def run(turn: int) -> Outputs:
        layer = layers[turn]
        weights, experts = _route(layer, x, active)
        return (function.apply(x, layer.gate_up, layer.down, experts.to(torch.int32), weights),)

    return run


def _dense(layers: list[_Experts], x: Tensor, sizes: _Sizes, turn: int) -> Outputs:
    """All experts for all tokens, most of them with weight 0."""
    layer = layers[turn]
    weights, experts = _route(layer, x, sizes.active)
    share = torch.zeros(len(x), sizes.experts, dtype=x.dtype, device=x.device)
    share.scatter_(1, experts, weights)
    everywhere = x.expand(sizes.experts, -1, -1)
    gate, up = torch.bmm(everywhere, layer.gate_up.transpose(1, 2)).chunk(2, dim=-1)
    hidden = F.gelu(gate, approximate="tanh") * up * share.T[:, :, None]
    return (torch.bmm(hidden, layer.down.transpose(1, 2)).sum(dim=0),)
