"""On every kind of layer the gradient left in p.grad is the one by definition."""

import numpy as np
import pytest
import torch
from torch import nn

from oracles.awkward_models import ZOO
from oracles.optim import clamped, median_of_groups, rows_by_parameter, trimmed, winsorized
from rote.aggregate import Drop, GroupMedian
from rote.optim import RobustGradients, winsorize

CROSS_ENTROPY = nn.functional.cross_entropy
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
every_kind = pytest.mark.parametrize("kind", ZOO)


def made(kind, m):
    make, inputs, _ = ZOO[kind]
    model, x = make(), inputs(m)
    with torch.no_grad():
        y = torch.randint(0, model(x).shape[1], (m,))
    return model, x, y


def left_in_grad(model, x, y, robust, *, passes=1):
    """p.grad after the last of several backward passes, by parameter."""
    with robust:
        for _ in range(passes):
            model.zero_grad()
            CROSS_ENTROPY(model(x), y).backward()
    return {
        n: np.zeros(p.numel()) if p.grad is None else p.grad.to_dense().flatten().numpy()
        for n, p in model.named_parameters()
        if p.requires_grad
    }


def assert_same(got, rows, definition):
    for name, G in rows.items():
        expected = definition(G)
        size = np.abs(G).sum(0).max() + 1e-12
        np.testing.assert_allclose(got[name], expected, rtol=1e-9, atol=1e-12 * size, err_msg=name)


@every_kind
def test_clamped_dropped_and_medians(kind):
    model, x, y = made(kind, 7)
    rows = rows_by_parameter(model, CROSS_ENTROPY, x, y)
    assert_same(left_in_grad(model, x, y, winsorize(model, 2), passes=2), rows, lambda G: clamped(G, 2))
    assert_same(left_in_grad(model, x, y, RobustGradients(model, Drop(1))), rows, lambda G: trimmed(G, 1))
    got = left_in_grad(model, x, y, RobustGradients(model, GroupMedian(3)), passes=2)
    assert_same(got, rows, lambda G: median_of_groups(G, 3))


# One kind for each way a gradient is taken: the level is the aggregate's affair, not the layer's.
@pytest.mark.parametrize(
    "kind", ["mlp", "n-d linear", "conv2d", "group norm", "embedding", "bilinear inside", "tied"]
)
def test_percentiles_of_a_hundred_examples(kind):
    model, x, y = made(kind, 100)
    rows = rows_by_parameter(model, CROSS_ENTROPY, x, y)
    for c in (1, 8):
        assert_same(left_in_grad(model, x, y, winsorize(model, c)), rows, lambda G, c=c: winsorized(G, c))
