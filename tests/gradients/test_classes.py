"""Coherence between classes, pair by pair."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from oracles.statistics import class_alpha
from rote.errors import InputError
from rote.gradients import ClassCoherence, class_coherence, coherence, support

LOSS = nn.CrossEntropyLoss()
LABELS = [0, 2, 1, 0, 2, 2, 1, 0]


def of_zoo(name):
    make, inputs, _ = ZOO[name]
    return make(), inputs(len(LABELS)), torch.tensor(LABELS)


@pytest.mark.parametrize(
    "name", ["mlp", "conv2d", "unused layer", "tied functionally", "class token", "lstm"]
)
def test_every_pair_of_classes(name):
    model, x, y = of_zoo(name)
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1)
    c = class_coherence(model, LOSS, (x, y), chunk_size=2)
    assert (c.labels.tolist(), c.counts.tolist(), c.m) == ([0, 1, 2], [3, 2, 3], 8)
    expected = [[class_alpha(G, LABELS, a, b) for b in range(3)] for a in range(3)]
    np.testing.assert_allclose(c.alpha, expected, rtol=1e-9)
    sums = torch.stack([G[y == k].sum(0) for k in range(3)])
    np.testing.assert_allclose(c.products, (sums @ sums.T).numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ["mlp", "conv2d", "reused"])
def test_adds_up_to_coherence_and_is_what_support_says(name):
    model, x, y = of_zoo(name)
    c, whole = class_coherence(model, LOSS, (x, y)), coherence(model, LOSS, (x, y))
    q = whole.squared_norms.sum()
    assert c.products.sum() == pytest.approx(whole.m_coherence * q, rel=1e-10)
    assert c.q.sum() == pytest.approx(q, rel=1e-12)
    assert c.parts.sum() == pytest.approx(whole.alpha_unbiased, rel=1e-9)
    table = support(model, LOSS, (x, y), per_label=True).per_label
    np.testing.assert_allclose(
        np.stack([table[y == k].sum(0) for k in range(3)]), c.products, rtol=1e-9, atol=1e-14
    )
    for k in range(3):
        alone = coherence(model, LOSS, (x[y == k], y[y == k]))
        assert c.alpha[k, k] == pytest.approx(alone.alpha_unbiased, rel=1e-9)


def test_layers_add_up():
    model, x, y = of_zoo("conv2d")
    c = class_coherence(model, LOSS, (x, y))
    assert list(c.layers) == list(coherence(model, LOSS, (x, y)).layers)
    np.testing.assert_allclose(sum(part.products for part in c.layers.values()), c.products, rtol=1e-12)
    np.testing.assert_allclose(sum(part.q for part in c.layers.values()), c.q, rtol=1e-12)
    assert all(part.parts.shape == (3, 3) for part in c.layers.values())


@pytest.mark.parametrize("held", [1, 2])
def test_classes_measured_again_where_memory_is_short(held):
    model, x, y = of_zoo("mlp")
    size = 8 * sum(p.numel() for p in model.parameters())
    short, roomy = (class_coherence(model, LOSS, (x, y), memory=n * size) for n in (held, 100))
    np.testing.assert_allclose(short.products, roomy.products, rtol=1e-12)
    np.testing.assert_allclose(short.q, roomy.q, rtol=1e-12)


def test_planted_classes():
    """One class of equal gradients, one of opposite ones, one of a single example, one without a gradient."""
    x = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0], [0, -1.0], [3.0, 4.0], [0, 0], [0, 0]])
    labels = torch.tensor([5, 5, 7, 7, 8, 9, 9])
    model = nn.Linear(2, 1, bias=False)
    c = class_coherence(model, lambda o, y: o.sum(), (x, torch.zeros(7)), labels=labels)
    nan = np.nan
    expected = [[1, 0, 0.6, nan], [0, -1, 0, nan], [0.6, 0, nan, nan], [nan, nan, nan, nan]]
    np.testing.assert_allclose(c.alpha, expected, atol=1e-15)
    assert c.within == pytest.approx(0)
    assert c.between == pytest.approx(0.2)
    assert json.loads(json.dumps(c.to_dict()))["alpha"][2][2] is None


def test_small_gradients_do_not_hide():
    """A class's row does not change when its gradients are a thousand times smaller."""
    x, labels = torch.randn(6, 3), torch.tensor([0, 0, 0, 1, 1, 1])
    model = nn.Linear(3, 1, bias=False)
    a, b = (
        class_coherence(model, lambda o, y: o.sum(), (z, torch.zeros(6)), labels=labels)
        for z in (x, torch.cat([x[:3], x[3:] / 1000]))
    )
    np.testing.assert_allclose(a.alpha, b.alpha, rtol=1e-9)
    assert abs(b.parts[1, 1]) < 1e-4 * abs(a.parts[1, 1])


def test_no_entry_off_the_diagonal_leaves_minus_one_to_one():
    for _ in range(20):
        x, labels = torch.randn(7, 2) ** 3, torch.tensor([0, 0, 1, 1, 2, 2, 2])
        c = class_coherence(
            nn.Linear(2, 1, bias=False), lambda o, y: o.sum(), (x, torch.zeros(7)), labels=labels
        )
        assert (np.abs(c.alpha) <= 1 + 1e-12).all()


def test_no_gradient_anywhere():
    c = ClassCoherence(np.array([0]), np.array([2]), np.zeros((1, 1)), np.zeros(1))
    assert np.isnan(c.alpha).all()
    assert np.isnan(c.parts).all()
    assert np.isnan([c.within, c.between]).all()


def test_needs_labels_and_examples():
    model = nn.Linear(2, 1)
    with pytest.raises(InputError, match="pass labels="):
        class_coherence(model, nn.MSELoss(), (torch.randn(3, 2), torch.randn(3, 1)))
    with pytest.raises(InputError, match="at least one example"):
        class_coherence(model, nn.MSELoss(), [])
