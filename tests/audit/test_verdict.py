"""The verdict: shares, the rule at its edges, and the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rote.audit import RULE, headline, judge, split_labels
from rote.audit._interval import Interval, interval, within_0_and_1

SHARE = st.floats(0, 1)
RUNS = st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=8)


@given(RUNS, st.floats(0.01, 0.95))
def test_shares_sum_to_one(runs, chance):
    split = split_labels([r[0] for r in runs], [r[1] for r in runs], chance)
    assert split.learned.value + split.memorised.value + split.unfitted.value == pytest.approx(1.0)
    assert split.unfitted.value >= -1e-9


def split_of(learned, memorised, spread=0.0):
    """Three runs with these shares, of which the learned one varies by a spread."""
    unseen = [0.1 + 0.9 * (learned + k * spread) for k in (-1, 0, 1)]
    return split_labels([0.1 + 0.9 * (learned + memorised)] * 3, unseen, 0.1)


@pytest.mark.parametrize(
    ("learned", "memorised", "word"),
    [
        (0.0, 0.0, "neither"),
        (0.05, 0.04, "neither"),
        (0.0, 0.09, "neither"),
        (-0.05, 0.12, "neither"),
        (0.0, 0.11, "memorising"),
        (-0.02, 1.02, "memorising"),
        (0.09, 0.02, "learning"),
        (0.09, 0.9, "memorising"),
        (0.11, 0.0, "learning"),
        (0.11, 0.89, "learning and memorising"),
        (0.5, 0.5, "learning and memorising"),
        (0.79, 0.21, "learning and memorising"),
        (0.81, 0.19, "learning"),
        (1.0, 0.0, "learning"),
        (0.5, -0.02, "learning"),
    ],
)
def test_the_word_on_either_side_of_each_edge(learned, memorised, word):
    assert judge(split_of(learned, memorised)) == word


def test_little_learned_with_an_interval_down_to_0_is_memorising():
    assert judge(split_of(0.2, 0.8, spread=0.02)) == "learning and memorising"
    assert judge(split_of(0.2, 0.8, spread=0.2)) == "memorising"


def test_two_runs_that_learn_most_are_not_called_memorising():
    """From two runs an interval reaches far; most of the labels are predicted unseen all the same."""
    split = split_labels([0.97, 0.97], [0.75, 0.90], chance=0.1)
    assert split.learned.low < 0
    assert judge(split) == "learning"


def test_one_run_has_no_interval_and_is_judged_by_its_mean():
    assert judge(split_labels([1.0], [0.95], 0.1)) == "learning"
    assert judge(split_labels([1.0], [0.1], 0.1)) == "memorising"


@given(RUNS, st.floats(0.01, 0.95))
def test_the_headline_says_the_word_and_no_share_below_0(runs, chance):
    split = split_labels([r[0] for r in runs], [r[1] for r in runs], chance)
    text = headline(judge(split), split)
    begins = {
        "learning": "It is learning: ",
        "memorising": "It is memorising: ",
        "neither": "Neither: ",
        "learning and memorising": "It is learning, and memorising too: ",
    }
    assert text.startswith(begins[judge(split)])
    assert text.endswith(".")
    assert "-" not in text


@pytest.mark.parametrize(
    ("learned", "memorised", "text"),
    [
        (
            0.94,
            0.04,
            "It is learning: 94 % of the labels are predicted without having been seen, and only 4 % because "
            "they were.",
        ),
        (
            -0.01,
            0.99,
            "It is memorising: 99 % of the labels are predicted because they were seen, and 0 % without.",
        ),
        (
            0.01,
            0.02,
            "Neither: it has fitted only 3 % of the labels; train longer, or with another learning rate.",
        ),
        (
            0.5,
            0.5,
            "It is learning, and memorising too: it predicts 50 % of the labels without having seen them and "
            "another 50 % only because it has.",
        ),
    ],
)
def test_headlines_word_for_word(learned, memorised, text):
    split = split_of(learned, memorised)
    assert headline(judge(split), split) == text


def test_the_rule_that_is_shown_names_every_word_and_number():
    for words in (
        "Neither: less than 10%",
        "Memorising: less is learned than memorised, and it is less than 10%",
        "Learning: at least 80%",
        "anything between",
    ):
        assert words in RULE


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_intervals_are_scipys(values):
    found = interval(values)
    with np.errstate(invalid="ignore"):
        error = stats.sem(values)
    assert found.n == len(values)
    assert found.value == pytest.approx(np.mean(values), abs=1e-9)
    if error > 1e-9:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_intervals_of_one_run_and_of_none():
    assert interval([0.5]).to_dict() == {"value": 0.5, "low": None, "high": None, "n": 1}
    assert interval([]) == interval([float("nan"), float("inf")]) == Interval(None, None, None, 0)
    assert interval([1.0, float("nan"), 3.0]) == interval([1.0, 3.0])


def test_shares_stay_within_0_and_1():
    assert within_0_and_1(Interval(0.9, -0.2, 1.4, 3)) == Interval(0.9, 0.0, 1.0, 3)
    assert within_0_and_1(Interval(None, None, None, 0)) == Interval(None, None, None, 0)
