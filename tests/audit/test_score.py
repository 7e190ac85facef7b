"""Rankings and how good they are; the scorer and what it learns from planted labels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from rote.audit._evidence import margin
from rote.audit._score import (
    BASELINES,
    OTHERS,
    SIGNALS,
    TRUST,
    Scorer,
    auroc,
    baselines,
    equal_scorer,
    fit_scorer,
    precision,
    signals,
)

COARSE = st.integers(0, 3).map(float)  # so that there are ties


@st.composite
def rankings(draw, most):
    m = draw(st.integers(2, most))
    statistic = np.array(draw(st.lists(COARSE, min_size=m, max_size=m)))
    wrong = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    wrong[:2] = [True, False]
    return statistic, wrong


@given(rankings(50))
def test_auroc_is_scikit_learns(ranking):
    statistic, wrong = ranking
    assert float(auroc(statistic, wrong)) == pytest.approx(roc_auc_score(wrong, statistic))


@given(rankings(6))
def test_precision_is_the_mean_over_all_ways_to_break_ties(slow, ranking):
    statistic, wrong = ranking
    want = slow.precision_over_all_orders(statistic.tolist(), wrong.tolist())
    assert float(precision(statistic, wrong)) == pytest.approx(want)


@given(rankings(20), st.floats(0.1, 9), st.floats(-5, 5))
def test_only_the_order_counts(ranking, scale, shift):
    statistic, wrong = ranking
    other = np.exp(scale * statistic) + shift
    for merit in (auroc, precision):
        assert float(merit(statistic, wrong)) == pytest.approx(float(merit(other, wrong)))
    assert float(auroc(-statistic, wrong)) == pytest.approx(1 - float(auroc(statistic, wrong)))


@pytest.mark.parametrize("merit", [auroc, precision])
def test_many_statistics_at_once_are_each_on_its_own(merit):
    rng = np.random.default_rng(0)
    statistics, wrong = rng.integers(0, 5, (30, 4)).astype(float), rng.random(30) < 0.3
    found = merit(statistics, wrong)
    assert found.shape == (4,)
    np.testing.assert_allclose(found, [merit(s, wrong) for s in statistics.T])


def test_where_nothing_or_all_is_wrong_there_is_no_merit():
    s = np.arange(4.0)
    assert np.isnan(auroc(s, np.zeros(4, bool)))
    assert np.isnan(auroc(s, np.ones(4, bool)))
    assert np.isnan(precision(s, np.zeros(4, bool)))
    assert float(precision(s, np.ones(4, bool))) == 1.0
    assert auroc(np.zeros((4, 3)), np.zeros(4, bool)).shape == (3,)


def test_the_margin_is_the_best_other_class_less_the_given_one():
    rng = np.random.default_rng(1)
    values, y = rng.normal(size=(20, 4)), rng.integers(4, size=20)
    want = [
        max(row[c] for c in range(4) if c != label) - row[label] for row, label in zip(values, y, strict=True)
    ]
    before = values.copy()
    np.testing.assert_allclose(margin(values, y), want)
    np.testing.assert_array_equal(values, before)


@given(st.integers(0, 999), st.integers(0, 4), st.floats(0, 50), st.integers(0, 29))
def test_the_statistic_never_falls_when_a_signal_rises(made_up, seed, column, rise, i):
    """Inside the scale of the calibration runs and far outside of it."""
    rng = np.random.default_rng(seed)
    scorer = Scorer(rng.dirichlet(np.ones(5)), np.sort(rng.integers(0, 6, (40, 5)).astype(float), axis=0))
    values = rng.normal(2, 4, (30, 5))
    raised = values.copy()
    raised[i, column] += rise
    before, after = scorer.normal(values) @ scorer.weights, scorer.normal(raised) @ scorer.weights
    assert after[i] >= before[i]
    np.testing.assert_array_equal(np.delete(after, i), np.delete(before, i))


def test_a_signal_beyond_the_scale_keeps_its_order():
    scorer = Scorer(np.eye(5)[0], np.tile(np.arange(10.0)[:, None], 5))
    values = np.tile(np.array([-99.0, -9.0, -1.0, 4.0, 10.0, 11.0, 99.0])[:, None], 5)
    assert (np.diff(scorer.normal(values) @ scorer.weights) > 0).all()


def test_a_signal_that_was_constant_in_calibration_outweighs_nothing():
    scorer = Scorer(np.full(5, 0.2), np.tile(np.linspace(0, 1, 50)[:, None], 5) * np.array([1, 1, 1, 1, 0]))
    values = np.full((1, 5), 0.5)
    values[0, 4] = 3.0
    assert abs(scorer.normal(values)[0, 4]) < 10


def test_signals_rise_when_the_label_looks_worse(made_up):
    evidence = made_up(m=30)
    rows = np.arange(30)
    worse = {
        "input_distance": evidence.input_distance.copy(),
        "inside_distance": evidence.inside_distance.copy(),
        "log_belief": evidence.log_belief.copy(),
    }
    worse["input_distance"][rows, evidence.y] *= 2
    worse["inside_distance"][rows, evidence.y] *= 2
    worse["log_belief"][rows, evidence.y] -= 1
    other = replace(evidence, **worse, mean_loss=evidence.mean_loss + 1, last_loss=evidence.last_loss + 1)
    assert signals(evidence).shape == (30, len(SIGNALS))
    assert (signals(other) > signals(evidence)).all()


def test_examples_on_top_of_a_class_have_finite_signals(made_up):
    evidence = made_up(m=5, input_distance=np.zeros((5, 3)), inside_distance=np.zeros((5, 3)))
    assert np.isfinite(equal_scorer(evidence).statistic(evidence)).all()


def test_baselines_rise_when_the_label_looks_worse(made_up):
    evidence = made_up(m=30)
    found = baselines(evidence)
    assert tuple(found) == BASELINES
    np.testing.assert_allclose(found["neighbour agreement"], 1 - evidence.agreement)
    np.testing.assert_allclose(
        found["held-out probability"], [1 - p[c] for p, c in zip(evidence.held_out, evidence.y, strict=True)]
    )


def planted_evidence(made_up, *, useful, m=400, seed=0):
    """Two classes; 40 planted labels that either the neighbours among inputs or all else betrays."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=m)
    wrong = np.zeros(m, bool)
    wrong[rng.permutation(m)[:40]] = True
    clear = np.where(wrong, 3.0, -3.0) + rng.normal(size=m)
    noise = rng.normal(size=m)
    near = np.exp(-(clear if useful == "input neighbours" else noise))
    distance = np.ones((m, 2))
    distance[np.arange(m), 1 - y] = near  # the margin is −log of it
    rest = noise if useful == "input neighbours" else clear
    log_belief = np.zeros((m, 2))
    log_belief[np.arange(m), 1 - y] = rest
    evidence = made_up(
        m=m,
        classes=2,
        seed=seed,
        y=y,
        input_distance=distance,
        log_belief=log_belief,
        mean_loss=rest,
        last_loss=rest,
    )
    halves = np.array_split(np.flatnonzero(wrong), 2)
    kinds = {name: np.isin(np.arange(m), half) for name, half in zip(("a", "b"), halves, strict=True)}
    return evidence, kinds, wrong


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("useful", ["input neighbours", "all else"])
def test_the_scorer_trusts_the_signals_that_find_planted_labels(made_up, useful, seed):
    evidence, kinds, wrong = planted_evidence(made_up, useful=useful, seed=seed)
    scorer = fit_scorer(evidence, kinds, ~wrong)
    assert scorer.weights.sum() == pytest.approx(1.0)
    assert (scorer.weights >= 0).all()
    trust = scorer.weights[0]
    assert trust == 1.0 if useful == "input neighbours" else trust <= 0.6
    assert float(auroc(scorer.statistic(evidence), wrong)) > 0.97
    again = fit_scorer(evidence, kinds, ~wrong)
    np.testing.assert_array_equal(again.weights, scorer.weights)


def test_with_nothing_to_compare_the_scorer_still_has_weights(made_up):
    evidence = made_up()
    none = np.zeros(40, bool)
    for planted, clean in (({"a": none}, ~none), ({"a": ~none}, none), ({}, ~none)):
        assert fit_scorer(evidence, planted, clean).weights.sum() == pytest.approx(1.0)


def test_the_weights_that_are_chosen_from_are_weights():
    assert sum(OTHERS) == pytest.approx(1.0)
    assert OTHERS[0] == 0.0
    assert TRUST[0] == 0.0
    assert TRUST[-1] == 1.0
