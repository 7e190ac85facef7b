"""Gradient descent on linear regression does what linear algebra says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.dynamics import (
    Conditioning,
    Descent,
    MarchenkoPastur,
    Spectrum,
    conditioning,
    descend,
    kaczmarz,
    kaczmarz_bound,
    minimum_norm,
    single_example_sgd,
    spectrum,
)
from rote.errors import InputError


def wide(n=5, d=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)


@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 6), d=st.integers(1, 6), seed=st.integers(0, 99))
def test_the_limit_is_a_least_squares_solution_and_the_nearest(n, d, seed):
    X, y, w0 = wide(n, d, seed)
    X[-1] = X[0]  # the rank may be anything
    w = minimum_norm(X, y, w0)
    np.testing.assert_allclose(X.T @ (X @ w - y), 0, atol=1e-9)
    off = np.eye(d) - np.linalg.pinv(X) @ X
    np.testing.assert_allclose(off @ (w - w0), 0, atol=1e-9)  # nothing off the rows has moved
    assert np.linalg.norm(minimum_norm(X, y)) <= np.linalg.norm(w) + 1e-9


@pytest.mark.parametrize("start", [False, True])
def test_every_method_ends_there(start):
    X, y, w0 = wide()
    w0 = w0 if start else None
    limit = minimum_norm(X, y, w0)
    runs = [
        descend(X, y, rate=spectrum(X).best_rate, steps=300, w0=w0),
        descend(X, y, rate=spectrum(X, halved=False).best_rate, steps=300, w0=w0, halved=False),
        single_example_sgd(X, y, rate=1.8 / (X**2).sum(1).max(), steps=6000, w0=w0),
        single_example_sgd(X, y, rate=0.9 / (X**2).sum(1).max(), steps=6000, w0=w0, halved=False),
        kaczmarz(X, y, steps=2000, w0=w0),
    ]
    for run in runs:
        assert np.linalg.norm(run.w - limit) < 1e-12
        assert run.errors[0] == pytest.approx(np.linalg.norm((0 if w0 is None else w0) - limit))
        assert np.array_equal(run.limit, limit)


def test_sgd_stays_on_its_plane():
    X, y, w0 = wide(3, 10)
    off = np.eye(10) - np.linalg.pinv(X) @ X
    for steps in (1, 2, 50):
        run = single_example_sgd(X, y, rate=0.3, steps=steps, w0=w0, seed=steps)
        np.testing.assert_allclose(off @ (run.w - w0), 0, atol=1e-9)


@pytest.mark.parametrize("halved", [True, False])
def test_the_edge_of_stability(halved):
    X, y, _ = wide()
    edge = spectrum(X, halved=halved).edge
    assert edge == pytest.approx((2 if halved else 1) / np.linalg.eigvalsh(X.T @ X)[-1])
    below = descend(X, y, rate=0.95 * edge, steps=400, halved=halved)
    above = descend(X, y, rate=1.05 * edge, steps=400, halved=halved)
    assert below.errors[-1] < 1e-6 * below.errors[0]
    assert above.errors[-1] > 1e6 * above.errors[0]
    assert descend(X, y, rate=100 * edge, steps=400, halved=halved).errors[-1] == np.inf


@pytest.mark.parametrize("halved", [True, False])
def test_rates_are_those_of_the_condition_number(halved):
    X, y, _ = wide(4, 9, seed=3)
    found = spectrum(X, halved=halved)
    kappa = np.linalg.cond(X) ** 2
    assert found.condition == pytest.approx(kappa)
    plain, best = found.edge / 2, found.best_rate
    assert found.shrinkage(plain) == pytest.approx(1 - 1 / kappa)
    assert found.shrinkage(best) == pytest.approx((kappa - 1) / (kappa + 1))
    for rate in (plain, best):
        run = descend(X, y, rate=rate, steps=60, halved=halved)
        assert run.shrinkage == pytest.approx(found.shrinkage(rate), abs=2e-3)
    assert found.shrinkage(found.edge) == pytest.approx(1)
    assert repr(found).startswith("Spectrum(rank=4 of 9, condition=")
    assert isinstance(found, Spectrum)


def test_a_single_step_by_hand():
    run = descend([[1.0, 2.0]], [3.0], rate=0.1, steps=1)
    np.testing.assert_allclose(run.w, [0.3, 0.6])
    np.testing.assert_allclose(descend([[1.0, 2.0]], [3.0], rate=0.1, steps=1, halved=False).w, [0.6, 1.2])
    assert repr(run) == "Descent(steps=1, error 1.34 to 0.671)"
    assert isinstance(run, Descent)
    assert np.isnan(run.shrinkage)


def test_one_step_of_kaczmarz_solves_the_row():
    X, y, _ = wide(1, 4)
    assert kaczmarz(X, y, steps=1).errors[1] == pytest.approx(0, abs=1e-15)


def test_kaczmarz_keeps_its_bound_on_average():
    X, y, _ = wide(20, 8, seed=1)
    y = X @ np.arange(8.0)
    bound = kaczmarz_bound(X)
    assert bound == pytest.approx(1 - 1 / (np.linalg.norm(X) * np.linalg.norm(np.linalg.pinv(X), 2)) ** 2)
    squares = np.mean([kaczmarz(X, y, steps=150, seed=s).errors ** 2 for s in range(30)], axis=0)
    assert (squares[1:] <= 1.2 * bound ** np.arange(1, 151) * squares[0]).all()
    assert squares[-1] > 1e-6 * bound**150 * squares[0]


def test_tensors_are_taken_and_draws_are_repeatable():
    X, y, _ = wide()
    run = single_example_sgd(
        torch.tensor(X, requires_grad=True), torch.tensor(y), rate=0.05, steps=20, seed=4
    )
    assert np.array_equal(run.errors, single_example_sgd(X, y, rate=0.05, steps=20, seed=4).errors)
    assert not np.array_equal(run.errors, single_example_sgd(X, y, rate=0.05, steps=20, seed=5).errors)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("variance", [1.0, 3.0])
def test_the_law_is_a_law(ratio, variance):
    """Its density and its atom sum to 1, its mean is the variance, its second moment s⁴(1 + γ)."""
    law = MarchenkoPastur(ratio, variance)
    low, high = law.edges
    u = (np.arange(20_000) + 0.5) / 20_000
    x = low + (high - low) * (1 - np.cos(np.pi * u)) / 2  # dense at both ends, where the density turns
    weight = law.density(x) * (high - low) / 2 * np.pi * np.sin(np.pi * u) / len(u)
    moments = [(weight * x**k).sum() for k in range(3)]
    expected = [1 - law.atom, variance, variance**2 * (1 + ratio)]
    np.testing.assert_allclose(moments, expected, rtol=1e-4 if ratio != 1 else 1e-3)
    assert law.density([low - 1e-9, high + 1e-9, -1.0]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("ratio", "condition"), [(0.1, 3.71), (0.25, 9.0), (0.5, 34.0), (0.9, 1442), (0.99, 158402)]
)
def test_condition_numbers_in_the_limit(ratio, condition):
    assert MarchenkoPastur(ratio).condition == pytest.approx(condition, rel=2e-3)
    assert MarchenkoPastur(1 / ratio).condition == pytest.approx(MarchenkoPastur(ratio).condition)
    assert MarchenkoPastur(1).condition == np.inf


@pytest.mark.parametrize(("n", "d"), [(600, 60), (60, 600), (400, 100)])
def test_the_condition_number_that_is_measured(n, d):
    X = 3 * np.random.default_rng(n).standard_normal((n, d))
    found = conditioning(X)
    assert found.condition == pytest.approx(found.law.condition, rel=0.12)
    assert found.law.variance == pytest.approx(9, rel=0.02)
    assert len(found.eigenvalues) == min(n, d)
    share = np.mean(found.eigenvalues < np.median(found.law.edges))
    low, high = found.law.edges
    x = np.linspace(low, (low + high) / 2, 2001)
    theory = np.trapezoid(found.law.density(x), x) / (1 - found.law.atom)
    assert share == pytest.approx(theory, abs=0.06)
    assert isinstance(found, Conditioning)


def test_hostile_input_is_refused():
    X, y, _ = wide()
    with pytest.raises(InputError, match=r"fit X of shape \(5, 12\): 5 and 12 numbers\. Got 4 and 12"):
        minimum_norm(X, y[:4])
    with pytest.raises(InputError, match="`rate` must be above 0"):
        descend(X, y, rate=0, steps=1)
    with pytest.raises(InputError, match="`steps` at least 1"):
        kaczmarz(X, y, steps=0)
    with pytest.raises(InputError, match="0 everywhere"):
        spectrum(np.zeros((2, 2)))
    with pytest.raises(InputError, match="0 everywhere"):
        kaczmarz(np.zeros((2, 2)), [1, 1], steps=2)
    with pytest.raises(InputError, match="finite"):
        conditioning([[np.nan]])
    with pytest.raises(InputError, match="above 0 and finite"):
        MarchenkoPastur(0)
