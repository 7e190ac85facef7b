"""The networks on which the cost of per-example statistics is measured."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rote.learners import resnet18


@dataclass(frozen=True)
class Row:
    """One network and its batch.

    Attributes:
        title: What it is, for the table.
        model: Makes it.
        shape: Shape of one example.
        classes: Number of classes.
        m: Examples in the batch.
        bar: The most that a watched step may cost on one thread of a CPU, over the plain one.
        positions: Shape of one example's targets; empty where it has one target.
    """

    title: str
    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    m: int
    bar: float | None
    positions: tuple[int, ...] = ()

    def batch(self, m: int) -> tuple[Tensor, Tensor]:
        """Random inputs and targets of m examples."""
        return torch.randn(m, *self.shape), torch.randint(0, self.classes, (m, *self.positions))


def losses(outputs: Tensor, y: Tensor) -> Tensor:
    """Each example's loss, shape ``[m]``: the mean over its positions where it has several."""
    each = F.cross_entropy(outputs.flatten(0, -2), y.flatten(), reduction="none")
    return each.view(len(y), -1).mean(1)


def mean_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """The mean of :func:`losses`, as a training loop writes it."""
    return F.cross_entropy(outputs.flatten(0, -2), y.flatten())


def _mlp(*sizes: int) -> nn.Sequential:
    hidden = [part for a, b in pairwise(sizes[:-1]) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(*sizes[-2:]))


class _Block(nn.Module):
    """A pre-norm transformer block; queries, keys and values from three layers or from one."""

    def __init__(self, d: int, heads: int, *, packed: bool, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.ModuleList([nn.Linear(d, 3 * d)] if packed else [nn.Linear(d, d) for _ in range(3)])
        self.out, self.up, self.down = nn.Linear(d, d), nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        parts = [part for layer in self.qkv for part in layer(h).split(x.shape[-1], -1)]
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class _Classifier(nn.Module):
    """A body on ``[m, T, d]``, the mean over T, logits."""

    def __init__(self, body: nn.Module, d: int, classes: int) -> None:
        super().__init__()
        self.body, self.norm, self.head = body, nn.LayerNorm(d), nn.Linear(d, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.body(x)).mean(1))


def _encoder() -> nn.Module:
    blocks = [_Block(256, 4, packed=False, causal=False) for _ in range(4)]
    return _Classifier(nn.Sequential(*blocks), 256, 10)


def _stock_encoder() -> nn.Module:
    options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
    layer = nn.TransformerEncoderLayer(256, 4, 1024, **options)
    return _Classifier(nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), 256, 10)


def _gpt_block() -> nn.Module:
    block = _Block(768, 12, packed=True, causal=True)
    return nn.Sequential(block, nn.LayerNorm(768), nn.Linear(768, 256))


#: By letter, as in the tables of ``docs/``.
ROWS = {
    "a": Row("MLP 784-2048-10, B=100", lambda: _mlp(784, 2048, 10), (784,), 10, 100, 1.10),
    "b": Row("MLP 784-256×3-10, B=100", lambda: _mlp(784, 256, 256, 256, 10), (784,), 10, 100, 1.20),
    "c": Row(
        "ResNet-18, GroupNorm, 32×32, B=64", lambda: resnet18((3, 32, 32), 10), (3, 32, 32), 10, 64, 1.18
    ),
    "d": Row("encoder, 4 × d=256, T=64, B=32", _encoder, (64, 256), 10, 32, 1.13),
    "stock": Row("nn.TransformerEncoder, 4 × d=256, T=64, B=32", _stock_encoder, (64, 256), 10, 32, None),
    "e": Row("GPT-2 block, d=768, T=512, B=4, causal", _gpt_block, (512, 768), 256, 4, 1.20, (512,)),
}
