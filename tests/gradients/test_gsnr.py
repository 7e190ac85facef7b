"""Signal-to-noise ratios of every coordinate, one at a time by the oracle."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from oracles import gradients as oracle
from oracles.awkward_models import ZOO
from oracles.statistics import ratio_of
from rote.errors import InputError
from rote.gradients import coherence, gsnr

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
LOSS = nn.CrossEntropyLoss()
M = 5


def of_zoo(name):
    make, inputs, _ = ZOO[name]
    return make(), inputs(M), torch.randint(0, 3, (M,))


def flat(arrays):
    return np.concatenate([a.ravel() for a in arrays.values()])


@pytest.mark.parametrize("name", ZOO)
def test_moments_of_every_model(name):
    model, x, y = of_zoo(name)
    G = torch.cat(list(oracle.gradient_matrix(model.eval(), LOSS, x, y).values()), 1).numpy()
    got = gsnr(model, LOSS, (x, y), chunk_size=3)
    scale = np.square(G).mean(0).max()
    assert {n: a.shape for n, a in got.mean.items()} == {
        n: tuple(p.shape) for n, p in model.named_parameters() if p.requires_grad
    }
    # The oracle lists layers in another order where layers are nested, so coordinates are compared sorted.
    np.testing.assert_allclose(
        np.sort(flat(got.mean)), np.sort(G.mean(0)), rtol=1e-9, atol=1e-10 * math.sqrt(scale)
    )
    np.testing.assert_allclose(np.sort(flat(got.variance)), np.sort(G.var(0)), rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ["mlp", "conv2d", "rms norm", "lstm", "reused"])
def test_ratios_coordinate_by_coordinate(name):
    model, x, y = of_zoo(name)
    got = gsnr(model, LOSS, (x, y))
    rows = {n: [] for n in got.ratio}
    for i in range(M):
        gradients = torch.autograd.grad(
            LOSS(model.eval()(x[i : i + 1]), y[i : i + 1]), list(model.parameters())
        )
        for n, g in zip(rows, gradients, strict=True):
            rows[n].append(g.flatten())
    for n, r in got.ratio.items():
        columns = torch.stack(rows[n]).T
        expected = [ratio_of(column) if column.any() else math.nan for column in columns]
        np.testing.assert_allclose(r.ravel(), expected, rtol=1e-7)


def test_coordinates_of_no_noise_and_of_no_gradient():
    """x = (1, a, 0): the first weight's gradient is the same for all, the last one's is zero for all."""
    x = torch.tensor([[1.0, 1.0, 0.0], [1.0, 3.0, 0.0]])
    g = gsnr(nn.Linear(3, 1), lambda o, y: o.sum(), (x, torch.zeros(2)))
    r = g.ratio
    np.testing.assert_array_equal(r["weight"], [[np.inf, 4.0, np.nan]])
    np.testing.assert_array_equal(r["bias"], [np.inf])
    assert (g.total.mean, g.total.pooled) == (4.0, 6.0)
    assert g.total.alpha == pytest.approx(6 / 7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_examples_have_no_variance(dtype):
    model, x = nn.Linear(4, 3).to(dtype), torch.randn(1, 4).to(dtype)
    g = gsnr(model, LOSS, (x.expand(50, 4), torch.ones(50, dtype=torch.int64)), chunk_size=20)
    assert all(not v.any() for v in g.variance.values())
    assert g.total.pooled == np.inf
    assert math.isnan(g.total.mean)
    assert g.total.alpha == pytest.approx(1)


def test_in_float32_equal_examples_have_the_variance_of_rounding_at_most():
    model = nn.Sequential(nn.Conv1d(1, 3, 2), nn.Flatten(), nn.Linear(9, 3)).float()
    x = torch.randn(1, 1, 4).float().expand(50, 1, 4)
    g = gsnr(model, LOSS, (x, torch.ones(50, dtype=torch.int64)), chunk_size=20)
    assert g.total.pooled > 1e11
    assert g.total.alpha == pytest.approx(1)


def test_no_gradient_at_all():
    g = gsnr(nn.Linear(2, 1), lambda o, y: 0 * o.sum(), (torch.randn(3, 2), torch.zeros(3)))
    assert all(np.isnan(r).all() for r in g.ratio.values())
    assert all(map(math.isnan, (g.total.mean, g.total.pooled, g.total.alpha)))


def test_batches_are_streamed():
    model, x, y = of_zoo("conv2d")
    loader = DataLoader(TensorDataset(x, y), batch_size=2)
    a, b = gsnr(model, LOSS, loader), gsnr(model, LOSS, (x, y))
    assert a.m == b.m == M
    np.testing.assert_allclose(flat(a.variance), flat(b.variance), rtol=1e-9)


def test_layers_are_those_of_coherence():
    model, x, y = of_zoo("transformer layer")
    g, c = gsnr(model, LOSS, (x, y)), coherence(model, LOSS, (x, y))
    assert list(g.layers) == list(c.layers)
    for name, layer in g.layers.items():
        assert layer.alpha == pytest.approx(c.layers[name].alpha, rel=1e-9)
        assert layer.pooled == pytest.approx(layer.alpha / (1 - layer.alpha), rel=1e-7)
    assert "layers=" in repr(g)


def test_pure_noise_has_a_ratio_of_one_over_m():
    """Gradients drawn from a centred normal distribution: the mean of m has variance σ²/m."""
    x = torch.randn(400, 500)
    g = gsnr(nn.Linear(500, 1, bias=False), lambda o, y: o.sum(), (x, torch.zeros(400)))
    assert g.total.mean == pytest.approx(1 / 400, rel=0.2)


def test_bad_input():
    with pytest.raises(InputError, match="at least one example"):
        gsnr(nn.Linear(2, 2), LOSS, [])
    with pytest.raises(InputError, match="3 inputs, 2 targets"):
        gsnr(nn.Linear(2, 2), LOSS, (torch.randn(3, 2), torch.zeros(2)))
