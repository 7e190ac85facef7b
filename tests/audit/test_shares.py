"""The share of wrong labels, and scores as probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.audit._shares import CONTRADICTED, contradicted, probability_wrong, visible_share

NUMBERS = st.lists(st.integers(-20, 20).map(lambda k: k / 4), min_size=1, max_size=40).map(np.array)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9, 1.0])
def test_the_share_of_a_separated_mixture_is_found(share):
    """Right labels uniform on [0, 1], wrong ones on [2, 3]."""
    m = 2000
    wrong = round(share * m)
    statistic = np.r_[np.linspace(0, 1, m - wrong), np.linspace(2, 3, wrong)]
    assert visible_share(statistic, np.linspace(2, 3, 200)) == pytest.approx(share, rel=0.02, abs=0.001)


def test_the_share_of_an_overlapping_mixture_is_an_upper_bound_that_is_nearly_tight():
    """Right uniform on [0, 1], wrong and planted on [0.5, 1.5]: half of the wrong lie above 1."""
    statistic = np.r_[np.linspace(0, 1, 8000), np.linspace(0.5, 1.5, 2000)]
    assert visible_share(statistic, np.linspace(0.5, 1.5, 1000)) == pytest.approx(0.2, rel=0.03)


@given(NUMBERS, NUMBERS)
def test_a_share_is_a_share(statistic, planted):
    assert 0.0 <= visible_share(statistic, planted) <= 1.0


@given(NUMBERS, NUMBERS, st.floats(0, 1))
def test_scores_are_probabilities_strictly_in_the_order_of_the_statistic(statistic, planted, share):
    p = probability_wrong(statistic, planted, share)
    assert ((p >= 0) & (p <= 1)).all()
    for i in range(len(p)):
        np.testing.assert_array_equal(p > p[i], statistic > statistic[i])


def test_scores_are_the_posterior_of_a_separated_mixture():
    statistic = np.r_[np.linspace(0, 1, 900), np.linspace(2, 3, 100)]
    p = probability_wrong(statistic, np.linspace(2, 3, 100), 0.1)
    assert p[:900].max() < 0.01
    assert p[900:].min() > 0.98


def test_scores_are_the_share_where_planted_labels_look_like_all():
    statistic = np.linspace(0, 1, 1000)
    p = probability_wrong(statistic, statistic[5::10], 0.25)
    np.testing.assert_allclose(p[50:-50], 0.25, atol=0.05)


def test_a_label_is_contradicted_where_another_is_clearly_preferred(made_up):
    """0.9 against 0.1 by the network that never saw it; all networks undecided, or of the other opinion."""
    says = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    belief = np.array([[0.5, 0.5], [0.9, 0.1], [0.9, 0.1]])
    evidence = made_up(m=3, classes=2, y=np.zeros(3, int), held_out=says, belief=belief)
    assert contradicted(evidence).tolist() == [True, False, False]
    edge = np.array([[0.5 - CONTRADICTED / 2, 0.5 + CONTRADICTED / 2]])
    just = made_up(m=1, classes=2, y=np.array([0]), held_out=np.array([[1e-9, -1e-9]]) + edge, belief=edge)
    assert not contradicted(just).any()
