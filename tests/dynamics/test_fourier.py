"""The fast transform against its definition, and spectra that are known."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.dynamics import FourierMass, fourier_mass, hypercube, walsh_hadamard
from rote.errors import InputError


def parity(x, subset):
    return np.prod(x[:, subset], axis=1)


def slow_transform(f, n):
    x = hypercube(n)
    subsets = [[j for j in range(n) if s >> j & 1] for s in range(1 << n)]
    return np.array([np.mean(f * parity(x, subset)) for subset in subsets])


@pytest.mark.parametrize("n", range(6))
def test_it_is_the_mean_against_each_parity(n):
    f = np.random.default_rng(n).standard_normal(1 << n)
    np.testing.assert_allclose(walsh_hadamard(f), slow_transform(f, n), atol=1e-14)


@settings(deadline=None, max_examples=20)
@given(n=st.integers(0, 8), seed=st.integers(0, 99))
def test_parseval_and_its_own_inverse(n, seed):
    f = np.random.default_rng(seed).standard_normal((3, 1 << n))
    coefficients = walsh_hadamard(f)
    np.testing.assert_allclose((coefficients**2).sum(1), (f**2).mean(1))
    np.testing.assert_allclose(walsh_hadamard(coefficients) * (1 << n), f, atol=1e-12)
    np.testing.assert_allclose(fourier_mass(f).mass.sum(1), (f**2).mean(1))


def test_the_input_is_left_alone_and_any_layout_will_do():
    f = np.arange(16.0).reshape(8, 2)
    before = f.copy()
    np.testing.assert_allclose(walsh_hadamard(f.T), walsh_hadamard(np.ascontiguousarray(f.T)))
    assert np.array_equal(f, before)
    assert walsh_hadamard(np.array([1, 0], np.uint8)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("n", "k"), [(4, 1), (5, 3), (10, 10), (14, 7)])
def test_a_parity_has_its_own_degree_and_no_other(n, k):
    spectrum = fourier_mass(parity(hypercube(n), list(range(k))))
    assert spectrum.mass[0].tolist() == [float(degree == k) for degree in range(n + 1)]
    assert spectrum.degree.tolist() == [k]


def test_a_linear_unit_is_of_degree_one_and_its_bias_does_not_count():
    x = hypercube(6)
    spectrum = fourier_mass(np.stack([x @ np.arange(6.0) + 5, np.full(64, 3.0)]))
    np.testing.assert_allclose(spectrum.mass[0, :3], [25, 55, 0], atol=1e-12)
    np.testing.assert_allclose(spectrum.degree, [1, 0], atol=1e-12)
    assert spectrum.share[1].tolist() == [0] * 6
    assert repr(spectrum) == "FourierMass(units=2, n=6, degree=0.5)"


def test_an_and_has_the_binomial_spectrum():
    """1 where all coordinates are 1: every coefficient is 2^-n."""
    n = 7
    mass = fourier_mass(np.eye(1 << n)[0]).mass[0]
    np.testing.assert_allclose(mass, [comb(n, k) / 4**n for k in range(n + 1)])


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 0)), 1.0, np.zeros((2, 6))])
def test_no_power_of_two_is_refused(values):
    with pytest.raises(InputError, match="`values` must have one value for each of the"):
        walsh_hadamard(values)


def test_hostile_input_is_refused():
    with pytest.raises(InputError, match="finite"):
        fourier_mass([1.0, np.nan])
    with pytest.raises(InputError, match=r"\[units, 2\^n\]"):
        fourier_mass(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="0 to 20"):
        hypercube(21)
    assert FourierMass(np.zeros((0, 3))).degree.shape == (0,)
