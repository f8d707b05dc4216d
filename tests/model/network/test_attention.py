from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from surtitle.model.network.attention import Attention
from surtitle.model.network.config import FULL, SLIDING, ModelConfig
from surtitle.model.network.layers import rotary_angles, rotary_frequencies

CONFIG = ModelConfig(
    hidden_size=24,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    num_global_key_value_heads=1,
    global_head_dim=16,
)


def attention(kind: str) -> Attention:
    module = Attention(CONFIG, kind)
    for weight in module.parameters():
        nn.init.uniform_(weight, 0.2, 0.6) if weight.dim() == 1 else nn.init.normal_(
            weight, std=0.3
        )
    return module


def angles(kind: str, positions: Tensor) -> tuple[Tensor, Tensor]:
    return rotary_angles(rotary_frequencies(CONFIG, kind), positions, torch.float32)


@pytest.mark.parametrize("kind", [SLIDING, FULL])
@torch.inference_mode()
def test_two_parts_attend_as_one(kind: str) -> None:
    module, x = attention(kind), torch.randn(2, 7, 24)
    at = torch.arange(7).expand(2, -1)
    causal = torch.ones(7, 7, dtype=torch.bool).tril().expand(2, -1, -1)
    whole, _ = module(x, angles(kind, at), None, causal)
    first, prefix = module(x[:, :4], angles(kind, at[:, :4]), None, causal[:, :4, :4])
    second, kv = module(x[:, 4:], angles(kind, at[:, 4:]), prefix, causal[:, 4:])
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    assert kv[0].shape == (2, 7, CONFIG.kv_heads(kind), CONFIG.head_size(kind))


@torch.inference_mode()
def test_values_of_full_layers_come_from_the_key_projection() -> None:
    """Before its norm and rotation: with one visible token, attention returns its value."""
    module, x = attention(FULL), torch.randn(1, 1, 24)
    assert module.v_proj is None
    out, _ = module(x, angles(FULL, torch.tensor([[9]])), None, torch.ones(1, 1, 1).bool())
    value = module.v_norm(module.k_proj(x).view(1, 1, 1, 16))
    expected = module.o_proj(value.expand(-1, -1, 4, -1).flatten(2))
    torch.testing.assert_close(out, expected)


@torch.inference_mode()
def test_only_distances_matter() -> None:
    module, x = attention(SLIDING), torch.randn(1, 5, 24)
    mask = torch.ones(1, 5, 5, dtype=torch.bool)
    near, far = (
        module(x, angles(SLIDING, torch.arange(5)[None] + start), None, mask)[0]
        for start in (0, 300)
    )
    torch.testing.assert_close(near, far, rtol=0, atol=1e-5)
