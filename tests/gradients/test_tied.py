"""Weights shared by Embeddings and Linear layers, in closed form against a loop over the examples."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rote.gradients import coherence, watch
from rote.gradients._tied import tied_norms


class Language(nn.Module):
    """Ids to logits of the same vocabulary, ``[m, T, 7]``."""

    def __init__(self, *, bias=False, embeddings=1, heads=1, **options):
        super().__init__()
        self.tokens = nn.ModuleList(nn.Embedding(7, 4, **options) for _ in range(embeddings))
        self.mix, self.heads = nn.Linear(4, 4), nn.ModuleList(nn.Linear(4, 7, bias) for _ in range(heads))
        for layer in (*self.tokens, *self.heads):
            layer.weight = self.tokens[0].weight

    def forward(self, ids):
        h = torch.tanh(self.mix(sum(look(ids.roll(k, 1)) for k, look in enumerate(self.tokens))))
        return sum(head(h.roll(k, 1)) for k, head in enumerate(self.heads))


def loss(outputs, y):
    return F.cross_entropy(outputs.flatten(0, -2), y.flatten())


def layers_by_loop(model, x, y):
    """``{layer: ‖g_i‖²}``, each parameter counted for the first layer that owns it."""
    names = {n: p for n, p in model.named_parameters() if p.requires_grad}
    rows = {n.rpartition(".")[0]: np.zeros(len(x)) for n in names}
    for i in range(len(x)):
        grads = torch.autograd.grad(
            loss(model(x[i : i + 1]), y[i : i + 1]), list(names.values()), allow_unused=True
        )
        for name, g in zip(names, grads, strict=True):
            rows[name.rpartition(".")[0]][i] += 0.0 if g is None else float(g.to_dense().square().sum())
    return rows


def assert_exact(model, x, y, *, way="tied", layers=("tokens.0", "heads.0")):
    with watch(model) as meter:
        for _ in range(2):
            loss(model(x), y).backward()
            meter.update()
            assert {meter.coverage.get(name, way) for name in layers} == {
                way
            }  # none where nothing is its own
            meter._capture.paused = True
            expected = layers_by_loop(model, x, y)
            meter._capture.paused = False
            total = np.sum(list(expected.values()), 0)
            np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-10)
            for name, norms in expected.items():
                share = meter.last.layers[name].share
                assert share == pytest.approx(norms.sum() / total.sum(), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("m", [1, 3, 5, 7])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("padding", [None, 2])
def test_head_of_a_language_model(m, bias, padding):
    """As many examples as positions, and as symbols, too."""
    model = Language(bias=bias, padding_idx=padding)
    assert_exact(model, torch.randint(0, 7, (m, 5)), torch.randint(0, 7, (m, 5)))


@pytest.mark.parametrize(("embeddings", "heads"), [(2, 1), (1, 2), (2, 2), (2, 0), (0, 2)])
def test_more_than_two_owners(embeddings, heads):
    x, y = torch.randint(0, 7, (4, 5)), torch.randint(0, 7, (4, 5))
    if not heads:
        model = Language(embeddings=embeddings)
        model.heads = nn.ModuleList([nn.Linear(4, 7)])
        assert_exact(model, x, y, layers=("tokens.0",))
    elif not embeddings:
        model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
        model["b"].weight = model["a"].weight
        model = nn.Sequential(nn.Embedding(7, 4), model["a"], nn.Tanh(), model["b"], nn.Linear(4, 7))
        assert_exact(model, x, y, layers=("1", "3"))
    else:
        assert_exact(Language(embeddings=embeddings, heads=heads, bias=True), x, y)


def test_sparse_looking_up_and_one_layer_called_twice():
    class Twice(Language):
        def forward(self, ids):
            return super().forward(ids) + super().forward(ids.flip(1))

    x, y = torch.randint(0, 7, (3, 5)), torch.randint(0, 7, (3, 5))
    assert_exact(Twice(bias=True), x, y)
    assert_exact(Twice(padding_idx=1), x, y)


def test_a_head_on_the_last_position_only():
    class Next(Language):
        def forward(self, ids):
            return super().forward(ids)[:, -1]

    class Pooled(Language):
        def forward(self, ids):
            return self.heads[0](torch.tanh(self.tokens[0](ids)).mean(1))

    x, y = torch.randint(0, 7, (3, 5)), torch.tensor([6, 0, 3])
    assert_exact(Next(), x, y)
    assert_exact(Pooled(bias=True), x, y)


def test_what_the_closed_form_does_not_serve():
    class Elsewhere(Language):
        def forward(self, ids):
            return super().forward(ids) + F.linear(
                self.mix.weight.sum() * self.tokens[0].weight[ids], self.tokens[0].weight
            )

    class Once(Language):
        """The ids are looked up without the examples' dimension."""

        def forward(self, ids):
            return super().forward(ids) + self.heads[0](self.tokens[0](torch.arange(5))).unsqueeze(0)

    x, y = torch.randint(0, 7, (3, 5)), torch.randint(0, 7, (3, 5))
    for model in (Elsewhere(), Once()):
        assert_exact(model, x, y, way="whole model rerun per example")


def test_a_head_idle_in_some_batches():
    class Idle(Language):
        idle = False

        def forward(self, ids):
            out = self.tokens[0](ids) @ torch.linspace(-1, 2, 28).view(4, 7).cos()
            return out if self.idle else out + super().forward(ids)

    model, x, y = Idle(bias=True), torch.randint(0, 7, (3, 5)), torch.randint(0, 7, (3, 5))
    with watch(model) as meter:
        for idle in (False, True, False):
            model.idle = idle
            loss(model(x), y).backward()
            meter.update()
            meter._capture.paused = True
            total = np.sum(list(layers_by_loop(model, x, y).values()), 0)
            meter._capture.paused = False
            np.testing.assert_allclose(meter.last.squared_norms, total, rtol=1e-10)


def test_fixed_samples():
    model, x, y = Language(bias=True), torch.randint(0, 7, (6, 5)), torch.randint(0, 7, (6, 5))
    got = coherence(model, loss, (x, y), chunk_size=4)
    np.testing.assert_allclose(
        got.squared_norms, np.sum(list(layers_by_loop(model, x, y).values()), 0), rtol=1e-10
    )


def test_half_precision():
    torch.set_default_dtype(torch.float32)
    model, x, y = Language(bias=True), torch.randint(0, 7, (4, 5)), torch.randint(0, 7, (4, 5))
    with watch(model) as meter:
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = loss(model(x), y)
            value.backward()
            meter.update()
        assert meter.coverage["tokens.0"] == "tied"
    expected = np.sum(list(layers_by_loop(model, x, y).values()), 0)
    np.testing.assert_allclose(meter.last.squared_norms, expected, rtol=0.05)


def test_formula_with_parts_missing():
    ids, rows = torch.tensor([[0, 2, 0]]), torch.randn(1, 3, 2)
    x, delta = torch.randn(1, 4, 2), torch.randn(1, 4, 3)
    E = torch.zeros(3, 2).index_add_(0, ids[0], rows[0])
    L = delta[0].T @ x[0]
    for looked, multiplied, G in (
        ([(ids, rows)], [], E),
        ([], [(x, delta)], L),
        ([(ids, rows)], [(x, delta)], E + L),
        ([(ids, rows)] * 2, [(x, delta)] * 2, 2 * E + 2 * L),
    ):
        torch.testing.assert_close(tied_norms(looked, multiplied), G.square().sum().view(1))
