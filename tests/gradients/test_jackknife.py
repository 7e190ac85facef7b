"""The estimators: unbiased by enumeration, their intervals right by simulation, their sums additive."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.errors import InputError
from rote.gradients import Statistics
from rote.gradients._jackknife import GroupSums, moments, step_statistics


def sums_of(W, sizes, groups=8):
    """Sums of microbatch gradients ``[L, J, d]`` in round-robin groups."""
    weighted = W * np.asarray(sizes, float)[:, None]
    whole = weighted.sum(1)
    groups = min(groups, len(sizes))
    members = [np.arange(g, len(sizes), groups) for g in range(groups)]
    parts = np.stack([weighted[:, m].sum(1) for m in members])
    return GroupSums(
        np.stack([(W[:, m] * weighted[:, m]).sum((1, 2)) for m in members]),
        (parts**2).sum(2),
        (parts * whole).sum(2),
        np.array([sum(sizes[j] for j in m) for m in members], float),
        np.array([len(m) for m in members], float),
    )


def statistics(W, sizes, groups=8):
    return step_statistics(tuple(f"l{i}" for i in range(len(W))), sums_of(W, sizes, groups))


@pytest.mark.parametrize("sizes", [(1, 1), (2, 2), (1, 2), (1, 3), (1, 1, 2)])
def test_unbiased_over_all_draws_with_replacement(sizes):
    """The mean over every equally likely draw of the examples is the truth, whatever the sizes."""
    g = np.random.default_rng(0).normal(size=(3, 4)) + 0.4
    mean, square = (g.mean(0) ** 2).sum(), (g**2).sum(1).mean()
    found = []
    for draw in itertools.product(range(3), repeat=sum(sizes)):
        parts = np.split(g[list(draw)], np.cumsum(sizes)[:-1])
        W = np.stack([part.mean(0) for part in parts])[None]
        sums = sums_of(W, sizes)
        found.append([m[0] for m in moments(sums.s2, sums.r.sum(0), sum(sizes), len(sizes))])
    np.testing.assert_allclose(np.mean(found, 0), [mean, square], rtol=1e-10)


def test_equal_sizes_give_the_mean_over_pairs():
    W, k = np.random.default_rng(1).normal(size=(5, 3)) + 0.3, 4
    pairs = [W[i] @ W[j] for i, j in itertools.permutations(range(5), 2)]
    sums = sums_of(W[None], (k,) * 5)
    mean, square = moments(sums.s2, sums.r.sum(0), 20, 5)
    assert mean[0] == pytest.approx(np.mean(pairs), rel=1e-12)
    big = (W**2).sum(1).mean()
    assert square[0] == pytest.approx(mean[0] + k * (big - mean[0]), rel=1e-12)
    alpha_w = mean[0] / big  # the identity of mini-batches, inverted
    assert mean[0] / square[0] == pytest.approx(alpha_w / (k - (k - 1) * alpha_w), rel=1e-12)


def gaussian_steps(alpha, sizes, steps, *, rng, drift=1.0, reps=1000, d=40):
    """Statistics of steps of Gaussian gradients of known α, spectrum ∝ 1/√i; each layer is a repetition."""
    spectrum = np.arange(1, d + 1) ** -0.5
    spectrum /= spectrum.sum()
    mu = rng.normal(size=d)
    mu *= np.sqrt(alpha / (1 - alpha)) / np.linalg.norm(mu)
    noise = np.sqrt(spectrum / np.array(sizes)[:, None])
    total = None
    for t in range(steps):
        W = drift**t * (mu + rng.standard_normal((reps, len(sizes), d), dtype=np.float32) * noise)
        step = statistics(W, sizes)
        total = step if total is None else total + step
    return total.coherence()


def coverage(alpha, estimate):
    layers = estimate.layers.values()
    hit = [layer.interval[0] <= alpha <= layer.interval[1] for layer in layers]
    values = np.array([layer.alpha_unbiased for layer in layers])
    error = np.sqrt(np.mean([layer.standard_error**2 for layer in layers]))
    assert values.mean() == pytest.approx(alpha, abs=4 * values.std() / np.sqrt(len(values)) + 0.03 * alpha)
    return np.mean(hit), error / values.std()


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize(("sizes", "drift"), [((8, 8), 1.0), ((4, 4, 4, 4), 1.0), ((8, 8, 8, 3), 0.93)])
def test_intervals_between_steps_cover_as_often_as_they_say(alpha, sizes, drift):
    """Monte Carlo error of the coverage: 0.007. A drift of 0.93 shrinks the squared gradients 18-fold."""
    estimate = gaussian_steps(alpha, sizes, 20, rng=np.random.default_rng(3), drift=drift, reps=600)
    assert estimate.spread == "between steps"
    covered, ratio = coverage(alpha, estimate)
    assert 0.92 <= covered <= 0.98
    assert 0.9 <= ratio <= 1.1


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize(
    ("sizes", "steps"), [((8,) * 8, 1), ((4,) * 16, 1), ((8,) * 4, 8), ((8, 8, 8, 3), 1)]
)
def test_intervals_within_steps_cover_at_least_as_often_as_they_say(alpha, sizes, steps):
    """The jackknife doubles the variance that is left where α is about 0 (Efron & Stein 1981)."""
    estimate = gaussian_steps(alpha, sizes, steps, rng=np.random.default_rng(4), reps=1000)
    assert estimate.spread == "within steps"
    covered, ratio = coverage(alpha, estimate)
    assert covered >= 0.93
    assert 0.95 <= ratio <= 2.2
    if alpha == 0.5:
        assert covered <= 0.985


arrays = st.lists(st.integers(1, 6), min_size=2, max_size=11)


@given(arrays, st.integers(0, 2**31), st.floats(0.01, 100))
def test_scale_changes_nothing_and_the_estimate_stays_in_its_range(sizes, seed, factor):
    W = np.random.default_rng(seed).normal(size=(2, len(sizes), 3)) + 0.2
    a, b = (statistics(f * W, sizes).coherence() for f in (1.0, factor))
    assert b.alpha_unbiased == pytest.approx(a.alpha_unbiased, rel=1e-7, abs=1e-9)
    np.testing.assert_allclose(b.interval, a.interval, rtol=1e-6, atol=1e-6)
    n = sum(sizes)
    assert -1 / (n - 1) - 1e-12 <= a.alpha_unbiased <= 1 + 1e-12
    assert a.m == n
    assert sum(x.share * x.alpha for x in a.layers.values()) == pytest.approx(a.alpha, rel=1e-9)


@given(st.lists(arrays, min_size=2, max_size=5), st.integers(0, 2**31))
def test_statistics_add_up_in_any_order(steps, seed):
    rng = np.random.default_rng(seed)
    parts = [statistics(rng.normal(size=(2, len(sizes), 3)) + 0.2, sizes) for sizes in steps]
    forward, backward = parts[0], parts[-1]
    for part in parts[1:]:
        forward = forward + part
    for part in parts[-2::-1]:
        backward = backward + part
    for name in ("s2", "q", "mq", "within"):
        np.testing.assert_allclose(getattr(forward, name), getattr(backward, name), rtol=1e-9, err_msg=name)
    assert (forward.steps, forward.examples, forward.microbatches, forward.paired) == (
        len(steps),
        sum(map(sum, steps)),
        sum(map(len, steps)),
        2 * (len(steps) // 2),
    )


def test_equal_microbatches_have_coherence_one_without_error():
    got = statistics(np.ones((1, 4, 3)), (2, 2, 2, 2)).coherence()
    assert (got.alpha_unbiased, got.standard_error, got.noise_scale) == (1.0, 0.0, 0.0)


def test_zero_gradients_are_nan_with_a_reason():
    got = statistics(np.zeros((1, 4, 3)), (2, 2, 2, 2)).coherence()
    assert np.isnan([got.alpha_unbiased, *got.interval]).all()
    assert "every example's gradient is zero" in got.note


def test_statistics_of_single_examples_do_not_add_up_with_these():
    exact = Statistics(("l0",), np.ones(1), np.ones(1), np.ones(1), 1, 1)
    with pytest.raises(InputError, match="two statistics of microbatches"):
        statistics(np.ones((1, 2, 3)), (1, 1)) + exact
