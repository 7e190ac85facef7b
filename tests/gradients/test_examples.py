"""The self-check by example: never a wrong number, whatever a model does with its examples."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from rote.errors import InputError
from rote.gradients import watch

COUPLED = ("in another order", "mixed")
PATTERNS = (
    "positions, Linear", "positions, LayerNorm", "positions, dropout", "positions, checkpoint", "experts",
    "there and back", "folded", "sequence first", "LSTM", "attention", "scale", "conv", "dropout", "linear",
    "first position", *COUPLED,
)  # fmt: skip


class Part(nn.Module):
    """One pattern, from ``[m, T, 4]`` to the same."""

    def __init__(self, pattern):
        super().__init__()
        self.pattern, self.checkpointed = pattern, True
        self.table = nn.Embedding(6, 4) if pattern.startswith("positions") else None
        kinds = {
            "positions, LayerNorm": lambda: nn.LayerNorm(4),
            "LSTM": lambda: nn.LSTM(4, 4, batch_first=True),
            "attention": lambda: nn.MultiheadAttention(4, 2, batch_first=True),
            "conv": lambda: nn.Conv1d(4, 4, 3, padding=1),
        }
        self.layer = kinds.get(pattern, lambda: nn.Linear(4, 4))()
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2)) if pattern == "experts" else None
        self.scale = nn.Parameter(torch.randn(6, 4)) if pattern == "scale" else None

    def forward(self, h):
        T = h.shape[1]
        match self.pattern:
            case "positions, Linear" | "positions, LayerNorm":
                return h + torch.tanh(self.layer(self.table(torch.arange(T))))
            case "positions, dropout":
                return self.layer(h + F.dropout(self.table(torch.arange(T)), 0.3))
            case "positions, checkpoint":
                if self.checkpointed:
                    return checkpoint(self._placed, h, use_reentrant=False)
                return self._placed(h)
            case "experts":
                return self._routed(h.reshape(-1, 4)).view_as(h) + h
            case "there and back":
                return torch.tanh(self.layer(h.flip(0))).flip(0)
            case "in another order":
                return torch.tanh(self.layer(h.roll(1, 0)))
            case "mixed":
                return torch.tanh(self.layer(h)) - h.mean(0)
            case "folded":
                return self.layer(h.reshape(-1, 4)).view_as(h)
            case "sequence first":
                return torch.tanh(self.layer(h.transpose(0, 1))).transpose(0, 1)
            case "LSTM":
                return self.layer(h)[0]
            case "attention":
                return h + self.layer(h, h, h, need_weights=False)[0]
            case "scale":
                return self.layer(h * self.scale[:T])
            case "conv":
                return torch.tanh(self.layer(h.transpose(1, 2))).transpose(1, 2)
            case "dropout":
                return F.dropout(torch.tanh(self.layer(h)), 0.3)
            case "first position":
                return h + torch.tanh(self.layer(h[:, 0]))[:, None]
        return torch.tanh(self.layer(h))

    def _placed(self, h):
        return torch.tanh(self.layer(h) + self.table(torch.arange(h.shape[1])))

    def _routed(self, x):
        weight, chosen = self.layer(x)[:, :2].softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            mine = torch.where(chosen == number)[0]
            out = out.index_put((mine,), expert(x[mine]) * weight[mine, None])
        return torch.tanh(out)


class Chain(nn.Module):
    """Ids ``[m, T]``, some patterns, three logits."""

    def __init__(self, patterns):
        super().__init__()
        self.tokens, self.head = nn.Embedding(7, 4), nn.Linear(4, 3)
        self.parts = nn.Sequential(*map(Part, patterns))

    def forward(self, ids):
        return self.head(self.parts(self.tokens(ids)).mean(1))


def naive(meter, model, ids, y, seed):
    """``‖g_i‖²`` by one backward pass per example through one forward pass with the same dropout."""
    meter._capture.paused = True
    for part in model.parts:
        part.checkpointed = False
    torch.manual_seed(seed)
    losses, rows = F.cross_entropy(model(ids), y, reduction="none"), []
    for value in losses:
        g = torch.autograd.grad(value, list(model.parameters()), retain_graph=True, allow_unused=True)
        rows.append(sum(float(p.square().sum()) for p in g if p is not None))
    for part in model.parts:
        part.checkpointed = True
    meter._capture.paused = False
    return np.array(rows)


def watched(patterns, batches):
    """Norms, seen and true, of each batch that was not refused, and how many were."""
    model, pairs, refused = Chain(patterns), [], 0
    with watch(model) as meter:
        for seed, (ids, y) in enumerate(batches):
            torch.manual_seed(seed)
            model.zero_grad()
            F.cross_entropy(model(ids), y).backward()
            try:
                meter.update()
            except InputError:
                refused += 1
                continue
            pairs.append((meter.last.squared_norms, naive(meter, model, ids, y, seed)))
    return pairs, refused


def batches_of(*sizes):
    return [(torch.randint(0, 7, (m, T)), torch.randint(0, 3, (m,))) for m, T in sizes]


def assert_right(pairs):
    for seen, true in pairs:
        np.testing.assert_allclose(seen, true, rtol=1e-10, atol=1e-10 * true.max())


@pytest.mark.parametrize("sizes", [((4, 4), (4, 4), (3, 4)), ((5, 3), (3, 3)), ((1, 4), (4, 4), (2, 4))])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern(pattern, sizes):
    pairs, refused = watched([pattern], batches_of(*sizes))
    assert_right(pairs)
    if pattern not in COUPLED:
        assert refused == 0
    else:
        assert refused == sum(m > 1 for m, _ in sizes)


@pytest.mark.parametrize("seed", range(40))
def test_chains_are_exact_or_refused(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    sizes = [(m := rng.randint(1, 5), m if rng.random() < 0.5 else rng.randint(2, 5)) for _ in range(3)]
    pairs, _ = watched(rng.choices(PATTERNS, k=rng.randint(2, 3)), batches_of(*sizes))
    assert_right(pairs)


@pytest.mark.parametrize("label", [1, 2])
def test_examples_that_are_all_the_same_are_not_the_check(label):
    alike = (torch.tensor([[1, 2, 3]] * 2), torch.tensor([1, label]))
    pairs, refused = watched(["there and back"], [alike, *batches_of((3, 3), (4, 3))])
    assert_right(pairs)
    assert len(pairs) == 3
    assert refused == 0


def test_an_idle_branch_is_checked_when_it_is_first_met():
    class Branch(Chain):
        idle = True

        def forward(self, ids):
            h = self.tokens(ids)
            return self.head((h if self.idle else self.parts(h)).mean(1))

    model = Branch(["there and back"])
    with watch(model) as meter:
        for seed, (ids, y) in enumerate(batches_of((4, 3), (4, 3), (4, 3))):
            model.idle = seed == 0
            F.cross_entropy(model(ids), y).backward()
            meter.update()
            assert_right([(meter.last.squared_norms, naive(meter, model, ids, y, seed))])
            model.zero_grad()


def test_checkpointing_that_starts_later():
    model = Chain(["positions, checkpoint"])
    with watch(model) as meter:
        for seed, (ids, y) in enumerate(batches_of((3, 4), (4, 4))):
            model.parts[0].checkpointed = seed > 0
            F.cross_entropy(model(ids), y).backward()
            meter.update()
            assert_right([(meter.last.squared_norms, naive(meter, model, ids, y, seed))])
            model.zero_grad()


def test_the_check_leaves_no_trace():
    """Random states, gradients and buffers are those of an unwatched run, dropout included."""
    ids, y = batches_of((4, 4))[0]
    found = []
    for watching in (False, True):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        model = nn.Sequential(Chain(["dropout", "conv"]), nn.BatchNorm1d(3).eval())
        meter = watch(model) if watching else None
        F.cross_entropy(model(ids), y).backward()
        if meter is not None:
            meter.update()
            meter.close()
        draws = [torch.rand(1).item(), random.random(), np.random.rand()]
        found.append((draws, [p.grad for p in model.parameters()], list(model.buffers())))
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1] + found[0][2], found[1][1] + found[1][2], strict=True):
        assert torch.equal(one, other)


def test_a_mixed_model_is_refused_in_words():
    model, (ids, y) = Chain(["mixed"]), batches_of((4, 3))[0]
    with watch(model) as meter:
        F.cross_entropy(model(ids), y).backward()
        with pytest.raises(InputError, match="mixed or reordered inside the model"):
            meter.update()
