"""Parameters that all examples meet alike, with dropout on: against one backward pass per example."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from rote.gradients import watch


class Body(nn.Module):
    """What follows the parameters under test; with dropout, so that nothing can be run again."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def finish(self, h):
        return self.head(torch.tanh(self.body(F.dropout(h, 0.3))).mean(1))


class Positions(Body):
    """Positions in every way people write them: ids ``[1, T]`` or ``[T]``, rows cut, added on either side."""

    def __init__(self, way):
        super().__init__()
        self.way, self.table = way, nn.Embedding(9, 4)

    def forward(self, x):
        ids = torch.arange(x.shape[1])
        if self.way == "[1, T]":
            return self.finish(x + self.table(ids.unsqueeze(0)))
        if self.way == "[T], first":
            return self.finish(self.table(ids) + x)
        if self.way == "scaled":
            return self.finish(torch.add(x, self.table(ids), alpha=0.5))
        if self.way == "expanded":
            return self.finish(x + self.table(ids).unsqueeze(0).expand(len(x), -1, -1))
        if self.way == "subtracted":
            return self.finish(x - self.table(ids))
        if self.way == "times":
            return self.finish(x * self.table(ids))
        if self.way == "one":
            return self.finish(x + self.table(torch.tensor([3])))
        return self.finish(x + self.table(torch.arange(9))[: x.shape[1]])  # rows cut: run again


class Bare(Body):
    """Class token, positions, scale of a branch and shift."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.positions = nn.Parameter(torch.randn(1, 9, 4))
        self.scale, self.shift = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))
        self.gain = nn.Parameter(torch.tensor([0.7]))

    def forward(self, x):
        h = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        h = h + self.positions[:, : h.shape[1]]
        return self.finish(h + self.gain * (self.scale * torch.sin(h) - self.shift))


class Repeated(Body):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 4))

    def forward(self, x):
        return self.finish(torch.cat([self.token.repeat(len(x), 1, 1), x], 1))


def norms_through_one_forward(model, x, y):
    losses = F.cross_entropy(model(x), y, reduction="none")
    parameters = list(model.parameters())
    rows = [torch.autograd.grad(v, parameters, retain_graph=True, allow_unused=True) for v in losses]
    return [sum(float(g.square().sum()) for g in row if g is not None) for row in rows]


def assert_watched_exactly(model, x, y, steps=2):
    with watch(model) as meter:
        for step in range(steps):
            torch.manual_seed(step)
            F.cross_entropy(model(x), y).backward()
            meter.update()
            seen = meter.last.squared_norms
            torch.manual_seed(step)
            meter._capture.paused = True
            np.testing.assert_allclose(seen, norms_through_one_forward(model, x, y), rtol=1e-9)
            meter._capture.paused = False
        return meter.coverage


@pytest.mark.parametrize("way", ["[1, T]", "[T], first", "scaled", "expanded", "subtracted", "times", "one"])
@pytest.mark.parametrize("m", [3, 5])
def test_positions(way, m):
    x, y = torch.randn(m, 5, 4), torch.randint(0, 3, (m,))
    assert assert_watched_exactly(Positions(way), x, y)["table"] == "embedding"


@pytest.mark.parametrize("make", [Bare, Repeated])
@pytest.mark.parametrize("m", [3, 5])
def test_bare_parameters(make, m):
    x, y = torch.randn(m, 5, 4), torch.randint(0, 3, (m,))
    assert assert_watched_exactly(make(), x, y)[make.__name__] == "broadcast"


def test_rows_cut_from_a_table_are_run_again(monkeypatch):
    monkeypatch.setattr(F, "dropout", lambda h, p: h)
    x, y = torch.randn(3, 5, 4), torch.randint(0, 3, (3,))
    assert "rerun" in assert_watched_exactly(Positions("cut"), x, y)["table"]


class UsedTwice(Body):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.randn(4))

    def forward(self, x):
        return self.finish(torch.tanh(x + self.shift) + self.shift)


def test_a_parameter_used_twice_is_run_again(monkeypatch):
    monkeypatch.setattr(F, "dropout", lambda h, p: h)
    x, y = torch.randn(3, 5, 4), torch.randint(0, 3, (3,))
    assert "rerun" in assert_watched_exactly(UsedTwice(), x, y)["UsedTwice"]


def test_under_checkpointing_they_are_run_again(monkeypatch):
    monkeypatch.setattr(F, "dropout", lambda h, p: h)
    model = Bare()
    root = nn.ModuleList([model])
    root.forward = lambda x: checkpoint(model, x, use_reentrant=False)
    x, y = torch.randn(3, 5, 4), torch.randint(0, 3, (3,))
    assert_watched_exactly(root, x, y)
