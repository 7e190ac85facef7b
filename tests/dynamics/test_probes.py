"""Probes find what is linear and nothing else; the control task measures memory."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from rote.dynamics import (
    DepthProfile,
    LinearUnits,
    Probes,
    activations,
    by_depth,
    linear_pieces,
    linear_probes,
    linear_units,
    random_lines,
    two_nn,
)
from rote.errors import InputError
from rote.learners import mlp


def points(m=300, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((m, d))


def test_a_linear_label_is_read_and_a_product_is_not():
    x = points()
    both = {"input": x, "products": np.c_[x, x[:, :1] * x[:, 1:2]]}
    assert linear_probes(both, x[:, 0] + x[:, 1] > 0).test.min() > 0.95
    found = linear_probes(both, x[:, 0] * x[:, 1] > 0)
    assert found.test[0] < 0.6
    assert found.test[1] > 0.9
    assert (found.selectivity > [-0.1, 0.3]).all()
    assert isinstance(found, Probes)


def test_predictions_and_accuracies_are_of_the_examples_named():
    x = points(d=2)
    y = np.where(x[:, 0] > 0, 7, -3)
    found = linear_probes({"a": x}, y, held_out=0.25, seed=5)
    assert len(found.held_out) == 75
    assert set(found.predictions[0].tolist()) <= {7, -3}
    assert np.mean(found.predictions[0] == y[found.held_out]) == found.test[0]
    again = linear_probes({"a": x}, y, held_out=0.25, seed=5)
    assert np.array_equal(found.predictions, again.predictions)
    assert repr(found).startswith("Probes('a': test 0.9")


def test_it_is_scikit_learns_regression_on_standardised_units():
    x, y = points(d=3) * [1, 50, 1e-3] + 4, points(seed=1)[:, 0] > 0
    found = linear_probes({"a": x}, y, strength=10)
    fitted = np.setdiff1d(np.arange(300), found.held_out)
    z = (x - x[fitted].mean(0)) / x[fitted].std(0)
    model = LogisticRegression(C=0.1, max_iter=1000).fit(z[fitted], y[fitted])
    assert np.array_equal(model.predict(z[found.held_out]), found.predictions[0])
    assert found.train[0] == model.score(z[fitted], y[fitted])


def test_with_more_units_than_examples_a_probe_memorises_anything():
    wide = linear_probes({"wide": points(40, 200)}, points(40, 1, 1)[:, 0] > 0, strength=1e-3)
    assert (wide.train[0], wide.control[0], wide.selectivity[0]) == (1, 1, 0)


def test_a_fit_that_was_cut_short_says_so(monkeypatch):
    plain = LogisticRegression.__init__

    def short(self, **options):
        plain(self, **{**options, "max_iter": 1})

    monkeypatch.setattr(LogisticRegression, "__init__", short)
    x = points()
    assert linear_probes({"a": x}, x[:, 0] > 0).converged.tolist() == [False]


def test_they_take_the_activations_of_a_model():
    torch.manual_seed(0)
    x = torch.randn(60, 3, requires_grad=True)
    layers = activations(mlp((3,), 2, hidden=(5, 4)), x)
    y = (x[:, 0] > 0).long()
    assert linear_probes(layers, y).test.shape == (3,)
    assert linear_units(layers, x).r2[1].shape == (4,)


def test_relus_off_the_data_are_linear_and_dead_ones_do_not_count():
    x = points(500, 3)
    w = np.array([[1.0, 2, 3], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).T
    units = np.maximum(x @ w + [20, 20, 0, -20], 0)  # always on, always on, half, never
    found = linear_units({"layer": units, "dead": units[:, 3:]}, x)
    np.testing.assert_allclose(found.r2[0][:2], 1)
    assert 0.6 < found.r2[0][2] < 0.85  # 1/(2(1 - 1/π)) = .733 for a Gaussian
    assert found.units.tolist() == [3, 0]
    np.testing.assert_allclose(found.share, [2 / 3, np.nan])
    assert repr(found) == "LinearUnits('layer': 66.7% of 3; 'dead': nan% of 0)"
    assert isinstance(found, LinearUnits)


def test_the_share_explained_of_a_gaussian_relu_is_known():
    """Cov(x, relu x)² / Var(relu x) = (1/4) / (1/2 - 1/(2π))."""
    x = points(20_000, 1)
    found = linear_units({"relu": np.maximum(x, 0)}, x)
    assert found.r2[0][0] == pytest.approx(0.25 / (0.5 - 0.5 / np.pi), abs=0.02)


def test_noise_is_not_explained_by_many_inputs():
    """On the examples fitted, 50 inputs would explain half of the noise."""
    x = points(200, 50)
    assert linear_units({"noise": points(200, 20, seed=1)}, x).r2[0].max() < 0.1


def test_repeated_inputs_do_no_harm():
    x = points(100, 2)
    found = linear_units({"a": x[:, :1]}, np.c_[x, x, np.ones(100)])
    np.testing.assert_allclose(found.r2[0], 1)


def test_hostile_input_is_refused():
    x = points(20, 2)
    with pytest.raises(InputError, match=r"`labels` must be 20, as layer 'a' has examples\. Got 19"):
        linear_probes({"a": x}, np.zeros(19, int))
    with pytest.raises(InputError, match="two classes"):
        linear_probes({"a": x}, np.zeros(20, int))
    with pytest.raises(InputError, match="must be integers"):
        linear_probes({"a": x}, np.zeros(20))
    with pytest.raises(InputError, match="dict without entries"):
        linear_probes({}, np.zeros(20, int))
    with pytest.raises(InputError, match="by name"):
        linear_probes(x, np.zeros(20, int))
    with pytest.raises(InputError, match="both sides"):
        linear_probes({"a": x}, np.arange(20) % 2, held_out=0)
    with pytest.raises(InputError, match="above 0"):
        linear_probes({"a": x}, np.arange(20) % 2, strength=0)
    with pytest.raises(InputError, match="more examples to fit than dimensions"):
        linear_units({"a": x}, points(20, 10))
    with pytest.raises(InputError, match=r"`inputs` must be 20, as layer 'a' has examples\. Got 30"):
        linear_units({"a": x}, points(30, 2))
    with pytest.raises(InputError, match=r"layers\['a'\]` must be finite"):
        linear_units({"a": x * np.nan}, x)


def test_by_depth_calls_each_measure():
    torch.manual_seed(1)
    net, x = mlp((3,), 2, hidden=(8, 6)), torch.randn(100, 3)
    y = (x[:, 0] > 0).long()
    found = by_depth(net, x, y, lines=4, seed=2)
    layers = activations(net, x, ["2", "4"])
    assert found.layers == ("2", "4")
    assert found.probe.tolist() == linear_probes(layers, y, seed=2).test.tolist()
    assert found.linear_share.tolist() == linear_units(layers, x, seed=2).share.tolist()
    assert found.dimension.tolist() == [two_nn(z).value for z in layers.values()]
    pieces = linear_pieces(net, *random_lines(x, 4, seed=2)).pieces
    assert found.pieces.tolist() == pieces.mean(0).tolist()
    assert repr(found).count("\n") == 3
    assert isinstance(found, DepthProfile)


def test_by_depth_leaves_out_what_cannot_be_measured():
    net = torch.nn.Sequential(torch.nn.Linear(30, 4), torch.nn.ReLU(), torch.nn.Softmax(1))
    with torch.no_grad():
        net[0].bias.fill_(-100)  # dead
    x = torch.randn(40, 30)
    found = by_depth(net, x, torch.arange(40) % 2, lines=0)
    assert all(np.isnan(row).all() for row in (found.linear_share, found.dimension, found.pieces))
    with pytest.raises(InputError, match="0 such modules"):
        by_depth(net[:1], x, torch.arange(40) % 2)
    with pytest.raises(InputError, match="output bends elsewhere"):
        by_depth(
            torch.nn.Sequential(torch.nn.Linear(30, 4), torch.nn.ReLU(), torch.nn.Softmax(1)), x, x[:, 0] > 0
        )
