"""Networks, batches and training steps for the tests of coherence from microbatches."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from oracles import microbatch as oracle

LOSS = nn.CrossEntropyLoss()


class Block(nn.Module):
    """The smallest residual network with BatchNorm."""

    def __init__(self):
        super().__init__()
        self.stem, self.first = nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.body, self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        h = F.relu(self.first(self.stem(x)), inplace=True)
        return self.head(F.relu(h + self.second(self.body(h))).mean((2, 3)))


def small():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def normed():
    return nn.Sequential(nn.Linear(4, 6), nn.GroupNorm(2, 6), nn.Tanh(), nn.Linear(6, 3))


def batch(*sizes):
    m = sum(sizes) or 5
    x, y = torch.randn(m, 4), torch.randint(0, 3, (m,))
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def run(model, meter, parts, loss=LOSS):
    for x, y in parts:
        loss(model(x), y).backward()
    meter.update()


def expect(model, parts, got, loss=LOSS):
    """What was measured is what the naive loop over the same microbatches says, layer by layer."""
    W = oracle.microbatch_gradients(model, loss, parts)
    sizes = [len(y) for _, y in parts]
    whole = torch.cat(list(W.values()), 1)
    assert got.alpha_unbiased == pytest.approx(oracle.pooled([(whole, sizes)]), rel=1e-9)
    assert list(got.layers) == list(W)
    for name, rows in W.items():
        expected = oracle.pooled([(rows, sizes)])
        assert got.layers[name].alpha_unbiased == pytest.approx(expected, rel=1e-9), name
    assert (got.m, got.microbatches) == (sum(sizes), len(sizes))


def oracle_gradient(model, part):
    model.zero_grad()
    LOSS(model(part[0]), part[1]).backward()
    return torch.cat([p.grad.flatten().clone() for p in model.parameters()])
