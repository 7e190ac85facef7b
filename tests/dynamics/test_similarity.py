"""CKA and the CCA family against their formulas, their invariances and their values on unrelated features."""

import warnings
from math import asin, pi, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles.similarity as oracle
from rote.dynamics import (
    hsic1,
    linear_cka,
    mean_cca,
    minibatch_cka,
    null_values,
    pwcca,
    rbf_cka,
    svcca,
)
from rote.dynamics._cca import subspace
from rote.errors import InputError

INDICES = {
    "cka": linear_cka,
    "cka_biased": lambda X, Y: linear_cka(X, Y, unbiased=False),
    "rbf": rbf_cka,
    "rbf_unbiased": lambda X, Y: rbf_cka(X, Y, unbiased=True),
    "cca": mean_cca,
    "svcca": svcca,
    "svcca_squares": lambda X, Y: svcca(X, Y, squares=True),
    "pwcca": pwcca,
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)


def features(n, p, q, *, seed=0, offset=3.0):
    """Related features: q mixtures of p with noise, columns of different size, means that are not 0."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(0.3, 3, p) + offset
    Y = np.tanh(X @ rng.standard_normal((p, q))) + 0.3 * rng.standard_normal((n, q))
    return torch.from_numpy(X), torch.from_numpy(Y)


def orthogonal(p, seed=1):
    return torch.linalg.qr(torch.randn(p, p, generator=torch.Generator().manual_seed(seed)).double())[0]


@pytest.mark.parametrize("shape", [(12, 3, 5), (9, 20, 4), (40, 6, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cka_is_its_formula(shape, dtype):
    X, Y = features(*shape)
    K, L = (X @ X.T).numpy(), (Y @ Y.T).numpy()
    X, Y = X.to(dtype), Y.to(dtype)
    close = {"abs": 1e-4 if dtype is torch.float32 else 1e-10}
    assert linear_cka(X, Y, unbiased=False) == pytest.approx(oracle.biased_cka(K, L), **close)
    assert linear_cka(X, Y) == pytest.approx(oracle.unbiased_cka([(K, L)]), **close)
    K, L = oracle.rbf(X.double().numpy(), 0.4), oracle.rbf(Y.double().numpy(), 0.4)
    assert rbf_cka(X, Y, width=0.4) == pytest.approx(oracle.biased_cka(K, L), **close)
    assert rbf_cka(X, Y, width=0.4, unbiased=True) == pytest.approx(oracle.unbiased_cka([(K, L)]), **close)


def test_hsic1_is_its_formula_also_in_stacks():
    K = torch.stack([X @ X.T for X in (features(7, 3, 2, seed=s)[0] for s in range(3))])
    L = torch.stack([Y @ Y.T for Y in (features(7, 3, 2, seed=s)[1] for s in range(3))])
    expected = [oracle.hsic1(k, layer) for k, layer in zip(K.numpy(), L.numpy(), strict=True)]
    np.testing.assert_allclose(hsic1(K, L).numpy(), expected, rtol=1e-10)


def test_minibatches_are_summed_and_divided_once():
    X, Y = features(30, 4, 3)
    parts = list(zip(X.split([10, 14, 6]), Y.split([10, 14, 6]), strict=True))
    expected = oracle.unbiased_cka([((x @ x.T).numpy(), (y @ y.T).numpy()) for x, y in parts])
    assert minibatch_cka(iter(parts)) == pytest.approx(expected, abs=1e-10)
    mean = np.mean([linear_cka(x, y) for x, y in parts])
    assert abs(mean - expected) > 1e-3  # averaging ratios is another number


def test_minibatches_expect_the_same_at_every_size():
    """The sheet: batches of 8 to 1024 the same as the whole."""
    X, Y = features(1024, 20, 20)
    whole = linear_cka(X, Y)
    for size in (8, 64, 512):
        found = minibatch_cka(zip(X.split(size), Y.split(size), strict=True))
        assert found == pytest.approx(whole, abs=0.03)


@pytest.mark.parametrize("shape", [(60, 3, 5), (60, 5, 3), (200, 8, 8)])
def test_the_cca_family_is_its_formulas(shape):
    X, Y = features(*shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert mean_cca(X, Y) == pytest.approx(oracle.cca(X.numpy(), Y.numpy())[0].mean(), abs=1e-9)
        assert pwcca(X, Y) == pytest.approx(oracle.pwcca(X.numpy(), Y.numpy()), abs=1e-9)
        for squares in (False, True):
            for share in (0.9, 0.99):
                expected = oracle.svcca(X.numpy(), Y.numpy(), share, squares=squares)
                assert svcca(X, Y, share=share, squares=squares) == pytest.approx(expected, abs=1e-9)


def test_pwcca_says_which_side_weighs():
    X, Y = features(200, 8, 8)
    assert pwcca(Y, X) == pytest.approx(oracle.pwcca(Y.numpy(), X.numpy()), abs=1e-9)
    assert abs(pwcca(X, Y) - pwcca(Y, X)) > 0.01


def test_both_rules_of_99_percent_keep_what_they_say():
    X = torch.zeros(101, 4, dtype=torch.float64)
    for column, size in enumerate([8.0, 1.0, 0.9, 0.05]):
        X[2 * column, column], X[2 * column + 1, column] = size, -size
    # Singular values are √2 times these: 9.95 in sum, 65.8125 in squares.
    assert [len(subspace(X, share=s).values) for s in (0.8, 0.9, 0.99, 1.0)] == [1, 2, 3, 4]
    assert [len(subspace(X, share=s, squares=True).values) for s in (0.8, 0.99, 0.99999)] == [1, 3, 4]


@every_index
def test_rotations_scalings_and_shifts_change_nothing(index):
    X, Y = features(120, 6, 5)
    turn = torch.eye(6).double().flip(1) if index is pwcca else orthogonal(6)  # its weights are by neurons
    moved = 7 * X @ turn - 2
    assert index(moved, Y) == pytest.approx(index(X, Y), abs=1e-9)
    assert index(X, moved) == pytest.approx(1.0, abs=1e-9)
    assert index(X, Y) < 0.99


@every_index
def test_the_order_of_examples_changes_nothing_if_it_is_the_same(index):
    X, Y = features(120, 6, 5)
    order = torch.randperm(120)
    assert index(X[order], Y[order]) == pytest.approx(index(X, Y), abs=1e-9)
    assert index(X[order], X) < 0.5


@every_index
def test_symmetric_but_for_pwcca(index):
    X, Y = features(120, 6, 5)
    if index is not pwcca:
        assert index(X, Y) == pytest.approx(index(Y, X), abs=1e-9)


def test_cca_is_unchanged_by_any_invertible_map_and_cka_is_not():
    X, Y = features(120, 6, 5)
    skewed = X @ (torch.eye(6) + torch.triu(torch.ones(6, 6), 1)).double()
    assert mean_cca(skewed, Y) == pytest.approx(mean_cca(X, Y), abs=1e-8)
    assert pwcca(Y, skewed) == pytest.approx(pwcca(Y, X), abs=1e-8)  # of the side that does not weigh
    assert abs(linear_cka(skewed, Y) - linear_cka(X, Y)) > 0.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 20), st.integers(1, 8), st.integers(1, 8))
def test_cka_stays_within_bounds(seed, n, p, q):
    rng = np.random.default_rng(seed)
    X, Y = torch.from_numpy(rng.standard_normal((n, p))), torch.from_numpy(rng.standard_normal((n, q)))
    assert 0 <= linear_cka(X, Y, unbiased=False) <= 1
    assert -1 <= linear_cka(X, Y) <= 1
    assert linear_cka(X, 2 * X) == pytest.approx(1)


# What unrelated features give: the numbers of the published tables.


@pytest.mark.parametrize(("n", "biased"), [(64, 0.89), (256, 0.67), (1024, 0.33), (4096, 0.11)])
def test_biased_cka_of_512_unrelated_features(n, biased):
    assert null_values(n, 512).cka_biased == pytest.approx(biased, abs=0.005)
    if n <= 256:
        X, Y = torch.randn(2, n, 512)
        assert linear_cka(X, Y, unbiased=False) == pytest.approx(biased, abs=0.01)
        assert abs(linear_cka(X, Y)) < 3 * null_values(n, 512).cka_deviation


@pytest.mark.parametrize(("times", "cca"), [(2, 0.64), (5, 0.39), (10, 0.27), (50, 0.12), (100, 0.085)])
def test_mean_cca_of_unrelated_features(times, cca):
    assert null_values(40 * times + 1, 40).cca == pytest.approx(cca, abs=0.006)
    if 5 <= times <= 10:
        X, Y = torch.randn(2, 40 * times + 1, 40, dtype=torch.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert mean_cca(X, Y) == pytest.approx(cca, abs=0.02)
            assert pwcca(X, Y) == pytest.approx(cca, abs=0.03)


@pytest.mark.parametrize("c", [0.01, 0.1, 0.3, 0.49])
def test_the_limit_for_equal_widths_has_a_closed_form(c):
    expected = (2 * sqrt(c * (1 - c)) - (1 - 2 * c) * 2 * asin(sqrt(c))) / (pi * c)
    assert null_values(10_001, round(10_000 * c)).cca == pytest.approx(expected, abs=1e-5)


def test_unequal_widths_and_overlapping_ones():
    for n, p, q in [(400, 20, 90), (400, 150, 200), (300, 200, 200)]:
        X, Y = torch.randn(n, p, dtype=torch.float64), torch.randn(n, q, dtype=torch.float64)
        rho = torch.linalg.svdvals(subspace(X).basis.T @ subspace(Y).basis)
        expected = null_values(n, p, q)
        assert rho.mean() == pytest.approx(expected.cca, abs=0.015)
        assert (rho**2).mean() == pytest.approx(expected.cca_squared, abs=0.015)
    assert null_values(100, 200).cca == 1.0


def test_the_deviation_of_unbiased_cka():
    found = [linear_cka(*torch.randn(2, 30, 60)) for _ in range(200)]
    assert np.std(found) == pytest.approx(null_values(30, 60).cka_deviation, rel=0.2)
    assert abs(np.mean(found)) < 0.01


# What is refused or warned of.


@every_index
@pytest.mark.parametrize(
    ("X", "Y", "words"),
    [
        (torch.ones(5), torch.ones(5, 2), r"features \[n, p\]"),
        (torch.randn(50, 2), torch.randn(40, 2), "same"),
        (torch.zeros(50, 0), torch.randn(50, 2), r"features \[n, p\]"),
        (torch.full((50, 2), float("nan")), torch.randn(50, 2), "finite"),
    ],
)
def test_what_are_no_features_is_refused(index, X, Y, words):
    with pytest.raises(InputError, match=words):
        index(X, Y)


@pytest.mark.parametrize("index", [mean_cca, svcca, pwcca])
def test_too_few_examples_are_refused_or_warned_of(index):
    with pytest.raises(InputError, match=r"\(30 \+ 30\).* Got 60: take 300 examples"):
        index(torch.randn(60, 30), torch.randn(60, 30))
    with pytest.warns(UserWarning, match=r"null_values\(100, 30, 30\)"):
        index(torch.randn(100, 30), torch.randn(100, 30))


def test_constant_features():
    constant, X = torch.ones(50, 3), torch.randn(50, 3)
    for index in (linear_cka, INDICES["cka_biased"], rbf_cka):
        assert np.isnan(index(constant, X))
    assert np.isnan(minibatch_cka([(constant, X)]))
    with pytest.raises(InputError, match="must differ between examples"):
        svcca(constant, X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linear_cka(torch.ones(3, 2), torch.ones(3, 2)), "at least 4 examples. Got 3"),
        (lambda: minibatch_cka([]), "at least one pair"),
        (lambda: rbf_cka(torch.ones(5, 2), torch.ones(5, 2), width=0), "`width`"),
        (lambda: svcca(torch.ones(5, 2), torch.ones(5, 2), share=0), "`share`"),
        (lambda: hsic1(torch.ones(3, 3), torch.ones(3, 3)), "n >= 4"),
        (lambda: hsic1(torch.ones(5, 5), torch.ones(6, 6)), r"\(5, 5\) and \(6, 6\)"),
        (lambda: null_values(3, 2), "n >= 4"),
        (lambda: null_values(30, 0), "at least 1"),
    ],
)
def test_options_are_checked(call, words):
    with pytest.raises(InputError, match=words):
        call()
