"""The stability bound: closed forms, exact fractions, a million steps, a problem where stability is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import stability as oracle
from rote.gradients import StabilityAccountant
from rote.gradients._bound import amplification_logs, in_words

ALPHAS = st.floats(0, 1)
RATES = st.floats(0, 1)
STEPS = st.lists(st.tuples(RATES, ALPHAS), min_size=1, max_size=12)


def accountant_of(steps, m=50, lipschitz=2.0, smoothness=3.0):
    accountant = StabilityAccountant(m, lipschitz=lipschitz, smoothness=smoothness)
    for rate, alpha in steps:
        accountant.step(alpha=alpha, learning_rate=rate)
    return accountant


# ---- closed forms


def test_constant_steps_are_a_geometric_sum():
    rate, alpha, m, L, beta, T = 0.1, 0.36, 40, 2.0, 3.0, 25
    q = 1 + rate * beta
    wanted = L**2 / m * rate * math.sqrt(2 * (1 - alpha)) * (q**T - 1) / (q - 1)
    bound = accountant_of([(rate, alpha)] * T, m, L, beta).bound()
    assert bound.value == pytest.approx(wanted, rel=1e-13)
    assert bound.log10 == pytest.approx(math.log10(wanted), rel=1e-13)
    assert bound.sharper == bound.value  # no norm was measured, so L stands for all


def test_without_curvature_nothing_is_amplified():
    found = accountant_of([(0.1, 0.5), (0.2, 0.5), (0.3, 0.5)], m=1, lipschitz=1.0, smoothness=0.0)
    assert found.factors().amplification.tolist() == [1, 1, 1]
    assert found.bound().value == pytest.approx(0.6, rel=1e-14)


def test_no_step_no_gap():
    bound = StabilityAccountant(10).bound()
    assert (bound.value, bound.log10, bound.sharper) == (0.0, -math.inf, 0.0)
    assert bound.to_dict() == {"value": 0.0, "log10": None, "sharper": 0.0, "sharper_log10": None}


def test_full_coherence_no_gap():
    found = accountant_of([(0.1, 1.0)] * 4)
    assert found.bound().value == 0
    assert found.factors().share.tolist() == [0, 0, 0, 0]


def test_a_rate_of_zero_adds_nothing_and_amplifies_nothing():
    with_it, without = accountant_of([(0.1, 0.5), (0.0, 0.0), (0.2, 0.3)]), [(0.1, 0.5), (0.2, 0.3)]
    assert with_it.bound().value == pytest.approx(accountant_of(without).bound().value, rel=1e-14)
    assert with_it.factors().contribution[1] == 0


def test_corollary_for_constant_steps_is_larger():
    rate, m, L, beta, alphas = 0.2, 30, 1.5, 2.0, np.linspace(0.9, 0.1, 20)
    T = len(alphas)
    corollary = sum(
        L**2 * rate / m * math.exp((T - t) * rate * beta) * math.sqrt(2 * (1 - alpha))
        for t, alpha in enumerate(alphas, start=1)
    )
    value = accountant_of([(rate, a) for a in alphas], m, L, beta).bound().value
    assert value < corollary < 10 * value


def test_corollary_for_decaying_steps_is_larger():
    rate, m, L, beta, alphas = 0.2, 30, 1.5, 2.0, np.linspace(0.9, 0.1, 20)
    T = len(alphas)
    corollary = L**2 * rate * T ** (rate * beta) / m * sum(np.sqrt(2 * (1 - alphas)))
    steps = [(rate / t, alpha) for t, alpha in enumerate(alphas, start=1)]
    assert accountant_of(steps, m, L, beta).bound().value < corollary


@given(STEPS, st.integers(1, 1000), st.floats(0.01, 5), st.floats(0, 5))
def test_equals_the_recursion_in_fractions(steps, m, L, beta):
    accountant = accountant_of(steps, m, L, beta)
    factors = accountant.factors()
    rates, sizes = [r for r, _ in steps], (L * np.sqrt(2 - 2 * np.array([a for _, a in steps]))).tolist()
    each = [float(c) for c in oracle.contributions(rates, sizes, m, L, beta)]
    assert factors.contribution == pytest.approx(each, rel=1e-11, abs=1e-290)
    total = float(oracle.by_recursion(rates, sizes, m, L, beta))
    assert accountant.bound().value == pytest.approx(total, rel=1e-11, abs=1e-290)


# ---- invariants


@given(STEPS, st.floats(0, 0.9), st.floats(0.01, 1))
def test_grows_with_every_step(steps, alpha, rate):
    before, after = accountant_of(steps), accountant_of([*steps, (rate, alpha)])
    assert after.bound().value > before.bound().value


@given(STEPS, st.integers(1, 100), st.integers(2, 100))
def test_falls_as_one_over_m(steps, m, times):
    few, many = accountant_of(steps, m).bound(), accountant_of(steps, m * times).bound()
    assert many.value == pytest.approx(few.value / times, rel=1e-12, abs=1e-300)


@given(STEPS)
def test_steps_are_amplified_by_those_that_follow(steps):
    factors = accountant_of(steps).factors()
    assert factors.log10_amplification[-1] == 0
    assert all(a >= b for a, b in pairwise(factors.log10_amplification))


@given(STEPS, ALPHAS, ALPHAS)
def test_coherence_early_is_better_than_late(steps, one, other):
    low, high = sorted((one, other))
    early, late = [(0.1, high), *steps, (0.1, low)], [(0.1, low), *steps, (0.1, high)]
    assert accountant_of(early).bound().value <= accountant_of(late).bound().value * (1 + 1e-12)


@given(STEPS)
def test_shares_add_up(steps):
    accountant = accountant_of(steps)
    share = accountant.factors().share
    assert share.sum() == pytest.approx(1, rel=1e-12) or accountant.bound().value == 0
    assert share * accountant.bound().value == pytest.approx(accountant.factors().contribution, rel=1e-11)


# ---- a million steps


def test_a_million_steps_overflow_no_logarithm():
    T, rate, beta = 10**6, 0.1, 20.0
    accountant = StabilityAccountant(50_000, lipschitz=2.0, smoothness=beta)
    accountant.step(alpha=0.5, learning_rate=rate, repeat=T)
    factors = accountant.factors()
    bound, growth = factors.bound(), math.log10(1 + rate * beta)
    assert math.isinf(bound.value)
    last = math.log10(4 / 50_000 * rate / (rate * beta))  # geometric sum, (q^T − 1)/(q − 1)
    assert bound.log10 == pytest.approx(T * growth + last, rel=1e-10)
    assert factors.log10_amplification[0] == pytest.approx((T - 1) * growth, rel=1e-10)
    assert factors.share.sum() == pytest.approx(1, rel=1e-9)
    assert math.isinf(factors.amplification[0])
    assert in_words(bound.log10) == "10^477115"


def test_cumulative_logarithms_stay_exact():
    rates = np.random.default_rng(0).uniform(0, 1e-3, 200_000)
    wanted = math.fsum(np.log1p(rates[1:] * 7.0))
    assert amplification_logs(rates, 7.0)[0] == pytest.approx(wanted, rel=1e-13)


# ---- stability itself


@pytest.mark.parametrize(("b", "rate"), [(1, 0.5), (2, 1.0), (6, 2.0)])
def test_measured_stability_is_below_the_bound(b, rate):
    """One pass over m examples, every expectation in the theorem replaced by a mean over many runs."""
    random = np.random.default_rng(b)
    points = random.normal(size=(8, 2)) + 0.5
    points /= np.linalg.norm(points, axis=1).max()
    problem, m, stabilities, bounds = oracle.Logistic(points), 6, [], []
    for _ in range(60):
        sample, fresh = (points[random.integers(len(points), size=m)] for _ in range(2))
        batches, seen = random.permutation(m).reshape(-1, b), []
        problem.train(sample, batches, rate, seen)
        accountant = StabilityAccountant(m, lipschitz=problem.lipschitz, smoothness=problem.smoothness)
        for w in seen:
            alpha, size = problem.coherence(w)
            accountant.step(alpha=alpha, squared_norms=[size**2], learning_rate=rate, batch_size=b)
        stabilities.append(problem.stability(sample, fresh, batches, rate))
        bounds.append(accountant.bound())
    gap = abs(np.mean(stabilities)) + 2 * np.std(stabilities) / math.sqrt(len(stabilities))
    sharper, plain = np.mean([b.sharper for b in bounds]), np.mean([b.value for b in bounds])
    assert 0 < gap <= sharper < plain
    assert gap > sharper / 50  # not so far above that any bound would do
