"""Layers taken by themselves: which may be, what they say, what is left behind."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from rote.errors import InputError
from rote.gradients import Sampled, class_coherence, decompose, gramian, gsnr, support
from rote.gradients._single import seen_layers, single_gradients

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
LOSS = nn.CrossEntropyLoss()
M = 6

#: Models with a layer that may not be taken by itself.
OTHERS = {
    "functional",
    "sequence first",
    "sequence first, T = m",
    "folded",
    "conv transposed",
    "embedding bag",
    "positions broadcast",
    "tied",
    "tied functionally",
    "class token",
    "attention",
    "attention, T first",
    "lstm",
    "lstm, T first",
    "gru",
    "nested",
    "transformer layer",
    "bilinear inside",
}


def of_zoo(name):
    make, inputs, _ = ZOO[name]
    return make(), inputs(M), torch.randint(0, 3, (M,))


@pytest.mark.parametrize("name", ZOO)
def test_which_models_are_taken_layer_by_layer(name):
    model, x, y = of_zoo(name)
    way = support(model, LOSS, (x, y), per_label=True).way
    assert (way == "layer by layer") == (name not in OTHERS)


@pytest.mark.parametrize(
    "name", ["mlp", "n-d linear", "conv2d circular", "group norm", "embedding", "reused"]
)
def test_inner_products_with_any_direction(name):
    model, x, y = of_zoo(name)
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1)
    direction = {n: torch.randn_like(p) for n, p in model.named_parameters()}
    flat = torch.cat([v.flatten() for v in direction.values()])
    with single_gradients(model, LOSS) as single:
        single.norms(x, y)
        along = sum(s.along(direction) for calls in single.seen(x, y).values() for s in calls)
    torch.testing.assert_close(along, G @ flat, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "conv2d", "tied", "lstm", "unused layer", "embedding, sparse"])
def test_rows_are_the_gradients(name):
    model, x, y = of_zoo(name)
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1)
    with single_gradients(model, LOSS) as single:
        norms = single.norms(x, y)
        chunks = list(single.rows(x, y, list(single.parameters)))
    rows = {n: torch.cat([c[n] for c in chunks]) for n in chunks[0]}
    assert all(rows[n].shape == (M, *p.shape) for n, p in model.named_parameters())
    squared = sum(r.flatten(1).square().sum(1) for r in rows.values())
    torch.testing.assert_close(squared, norms.sum(0), rtol=1e-10, atol=0)
    torch.testing.assert_close(squared, G.square().sum(1), rtol=1e-10, atol=0)


def test_half_precision_is_multiplied_in_full():
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3)).bfloat16()
    x, y = torch.randn(M, 64).bfloat16(), torch.arange(M) % 3
    with single_gradients(model, LOSS) as single:
        single.norms(x, y)
        rows = next(iter(single.rows(x, y, list(single.parameters))))
        direction = {n: torch.randn(p.shape, dtype=torch.float32) for n, p in model.named_parameters()}
        seen = [s for calls in single.seen(x, y).values() for s in calls]
        along = sum(s.along(direction) for s in seen)
    assert along.dtype == torch.float32
    expected = sum((rows[n].float() * v).flatten(1).sum(1) for n, v in direction.items())
    torch.testing.assert_close(along, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("measure", [gramian, lambda *a: decompose(*a, np.arange(M) < 2)])
def test_no_hook_is_left_behind_by_a_failure(measure):
    class Fails(nn.Sequential):
        calls = 0

        def forward(self, x):
            Fails.calls += 1
            if Fails.calls > 1:
                raise ZeroDivisionError
            return super().forward(x)

    model = Fails(nn.Linear(6, 3)).train()
    with pytest.raises(ZeroDivisionError):
        measure(model, LOSS, (torch.randn(M, 6), torch.arange(M) % 3))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(p._backward_hooks for p in model.parameters())


def test_no_hook_is_left_behind_by_a_failing_loss():
    model = nn.Linear(6, 3)

    def fails(outputs, y):
        assert model._forward_hooks
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        seen_layers(model, fails, {"": {"weight": "weight"}}, torch.randn(M, 6), torch.zeros(M))
    assert not model._forward_hooks


class Branches(nn.Module):
    """A layer used once, and where the batch says so also by its weight alone, or not at all."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        if x[0, 0] > 1:
            return self.head(x)
        hidden = torch.tanh(self.body(x))
        return self.head(hidden + F.linear(x.cos(), self.body.weight) if x[0, 0] < 0 else hidden)


@pytest.mark.parametrize("first", [[-1.0, 0.5], [0.5, -1.0], [0.5, 2.0], [2.0, 0.5]])
def test_layers_are_trusted_only_as_far_as_every_batch_allows(first):
    """Each class, and each chunk, takes a branch of its own."""
    model, x, y = Branches(), torch.randn(6, 4), torch.arange(2).repeat_interleave(3)
    x[:, 0] = torch.tensor(first).repeat_interleave(3)
    G = torch.cat(list(oracle.gradient_matrix(model, LOSS, x, y).values()), 1)
    s = support(model, LOSS, (x, y), per_label=True, chunk_size=3)
    columns = torch.stack([G @ G[y == c].sum(0) for c in range(2)], 1)
    np.testing.assert_allclose(s.per_label, columns.numpy(), rtol=1e-9, atol=1e-12)
    K = gramian(model, LOSS, (x, y), chunk_size=3)
    np.testing.assert_allclose(K, (G @ G.T).numpy(), rtol=1e-9, atol=1e-12)
    variance = np.concatenate([v.ravel() for v in gsnr(model, LOSS, (x, y), chunk_size=3).variance.values()])
    np.testing.assert_allclose(
        np.sort(variance), np.sort(G.var(0, correction=0).numpy()), rtol=1e-8, atol=1e-15
    )


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    model[0].weight.requires_grad_(False)
    x, y = torch.randn(M, 6), torch.arange(M) % 3
    G = torch.cat(list(oracle.gradient_matrix(model, LOSS, x, y).values()), 1)
    np.testing.assert_allclose(gramian(model, LOSS, (x, y)), (G @ G.T).numpy(), rtol=1e-10)


def test_several_outputs_are_refused_in_words():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(4, 3, batch_first=True)

        def forward(self, x):
            return self.cell(x)

    x, y = torch.randn(M, 5, 4), torch.zeros(M)
    with pytest.raises(InputError, match=r"`model` must return one tensor here\. Got tuple"):
        gramian(Two(), lambda out, y: out[0].sum(), (x, y))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", ["mlp", "conv2d", "tied", "embedding", "class token"])
def test_a_gpu_says_the_same(name):
    model, x, y = of_zoo(name)
    corrupt = np.arange(M) < 2

    def measured(device):
        examples = (x.to(device), y.to(device))
        on = model.to(device)
        yield gramian(on, LOSS, examples)
        yield np.concatenate([v.ravel() for v in gsnr(on, LOSS, examples).variance.values()])
        yield class_coherence(on, LOSS, examples).products
        yield support(on, LOSS, examples, per_label=True).per_label
        yield decompose(on, LOSS, examples, corrupt, nulls=0).products
        yield decompose(on, LOSS, examples, corrupt, sampled=Sampled(), nulls=0).products

    for a, b in zip(list(measured("cpu")), list(measured("cuda")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12 * np.abs(a).max())
