"""How can attention lose heads? Heads as the units of a width, and attention whose projections are layers.

A head is its rows of the query, key and value projections and its columns of the output projection. Nets of timm hold
these as linear layers; torch's own ``nn.MultiheadAttention`` ties the number of heads to the embedding width and is
replaced first.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from strategies.bodies.structure.groups import Group, Member


class SelfAttention(nn.Module):
    """What ``nn.MultiheadAttention`` computes where query, key and value are one; its heads may be any number.

    ``forward`` takes the arguments of ``nn.MultiheadAttention``, reads the first, and gives no attention weights.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None, "query, key and value have one width"
        self.num_heads, self.head_dim = attention.num_heads, attention.head_dim
        self.attn_dim = attention.embed_dim
        self.dropout = attention.dropout
        self.qkv = nn.Linear(self.attn_dim, 3 * self.attn_dim, bias=attention.in_proj_bias is not None)
        self.qkv.weight = attention.in_proj_weight
        if attention.in_proj_bias is not None:
            self.qkv.bias = attention.in_proj_bias
        self.proj = nn.Linear(self.attn_dim, self.attn_dim, bias=attention.out_proj.bias is not None)
        self.proj.weight, self.proj.bias = attention.out_proj.weight, attention.out_proj.bias
        self.train(attention.training)

    def forward(self, x: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        batch, tokens = x.shape[:2]
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        dropout = self.dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, self.attn_dim)), None


def with_prunable_attention(net: nn.Module) -> nn.Module:
    """``net``, or a copy in which every ``nn.MultiheadAttention`` is a :class:`SelfAttention`; it computes the same."""
    if not any(_replaceable(module) for module in net.modules()):
        return net
    net = copy.deepcopy(net)
    for name, module in [(name, module) for name, module in net.named_modules() if _replaceable(module)]:
        assert isinstance(module, nn.MultiheadAttention)
        net.set_submodule(name, SelfAttention(module))
    return net


def _replaceable(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention) and module.batch_first and module.in_proj_weight is not None


def is_attention(module: object) -> bool:
    """Whether a module's heads can be taken away one by one: ours, or that of timm's vision transformers."""
    if isinstance(module, SelfAttention):
        return True
    if not isinstance(module, nn.Module) or type(module).__name__ != "Attention":
        return False
    parts = [getattr(module, name, None) for name in ("qkv", "proj")]
    # A gate or a norm over all heads would tie them; older nets have no width of their own for heads.
    apart = getattr(module, "gate", None) is None and isinstance(getattr(module, "norm", nn.Identity()), nn.Identity)
    known = all(hasattr(module, name) for name in ("num_heads", "head_dim", "attn_dim"))
    return all(isinstance(part, nn.Linear) for part in parts) and apart and known


def head_groups(net: nn.Module) -> list[Group]:
    """The heads of each attention of ``net`` as a group; the attention itself is the layer that counts them."""
    return [_heads(name, module) for name, module in net.named_modules() if is_attention(module)]


def _heads(name: str, attention: Any) -> Group:
    heads, each = int(attention.num_heads), int(attention.head_dim)
    columns = torch.arange(heads * each).view(heads, each)
    rows = torch.cat([columns + part * heads * each for part in range(3)], dim=1)
    members = (
        Member(name, "unitwise", 0, torch.arange(heads)[:, None]),
        Member(f"{name}.qkv", "producer", 0, rows),
        Member(f"{name}.proj", "consumer", 1, columns),
    )
    return Group(name, heads, members, inner=True, output=False, residual=False)


def heads_of(attention: Any) -> int:
    """How many heads an attention has."""
    return int(attention.num_heads)


def set_heads(attention: Any, heads: int) -> None:
    """Tell an attention how many heads its projections hold now."""
    attention.num_heads, attention.attn_dim = heads, heads * attention.head_dim
