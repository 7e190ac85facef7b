"""Does a claim hold? The word follows from the interval, and is honest about what is not known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rote.errors import InputError
from rote.studies import Claim, Range, Row, above, below, between, decide, equal_to, judge, one

finite = st.floats(-1e6, 1e6)


def test_the_interval_is_students():
    values = [0.3, 0.5, 0.4, 0.8]
    found = judge(values, above(0.0)).interval
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.n == 4


@pytest.mark.parametrize(
    ("values", "expected", "word"),
    [
        ([0.4, 0.5, 0.6], above(0.2), "holds"),
        ([0.4, 0.5, 0.6], above(0.4), "inconclusive"),
        ([0.4, 0.5, 0.6], above(0.8), "differs"),
        ([0.4, 0.5, 0.6], below(0.8), "holds"),
        ([0.4, 0.5, 0.6], below(0.2), "differs"),
        ([0.4, 0.5, 0.6], between(0.2, 0.8), "holds"),
        ([0.4, 0.5, 0.6], between(0.2, 0.6), "inconclusive"),
        ([0.4, 0.5, 0.6], between(0.0, 0.1), "differs"),
        ([0.4, 0.5, 0.6], between(0.45, 0.55), "inconclusive"),
        ([1.0, 1.0, 1.0], above(0.99), "holds"),
        ([1.0, 1.0, 1.0], above(1.0), "inconclusive"),
        ([0.5, 0.5], above(0.0), "inconclusive"),
        ([0.5], above(0.0), "inconclusive"),
        ([], above(0.0), "inconclusive"),
        ([0.5, 0.5, 0.5, math.nan], above(0.0), "inconclusive"),
        ([math.nan] * 3, above(0.0), "inconclusive"),
        ([math.inf] * 3, above(0.0), "inconclusive"),
    ],
)
def test_the_word(values, expected, word):
    found = judge(values, expected)
    assert found.word == word
    assert bool(found.why) == (word == "inconclusive")


def test_why_it_is_inconclusive():
    assert judge([1.0, 2.0], above(0.0)).why == "2 seeds; at least 3 are needed"
    assert judge([1.0], above(0.0)).why == "1 seed; at least 3 are needed"
    assert judge([1.0] * 3, above(0.0), asked=5).why == "measured for 3 of 5 seeds"
    assert judge([], above(0.0), asked=5).why == "not measured"
    assert judge([1.0, 1.0, math.nan], above(0.0)).why == "undefined for 1 of 3 seeds"
    assert judge([-1.0, 0.0, 1.0], between(-2.0, 2.0)).why.endswith("reaches over -2 and 2")


@given(st.lists(finite, min_size=3, max_size=6), finite)
def test_above_and_below_are_mirror_images(values, threshold):
    mirrored = {"holds": "differs", "differs": "holds", "inconclusive": "inconclusive"}
    assert judge(values, above(threshold)).word == mirrored[judge(values, below(threshold)).word]
    assert judge(values, above(threshold)).word == judge([-v for v in values], below(-threshold)).word


@given(st.lists(finite, min_size=0, max_size=2), finite)
def test_fewer_than_three_seeds_decide_nothing(values, threshold):
    assert judge(values, above(threshold)).word == "inconclusive"


@given(st.lists(finite, min_size=3, max_size=6), finite, finite)
def test_what_holds_in_a_range_holds_in_a_wider_one(values, low, width):
    narrow = Range(low, low + abs(width) + 1)
    if judge(values, narrow).word == "holds":
        assert judge(values, Range(low - 1, math.inf)).word == "holds"


def test_exact_claims_need_no_seeds_and_no_interval():
    assert judge([4.0], equal_to(4), exact=True).word == "holds"
    assert judge([4.0, 4.0], equal_to(4), exact=True).word == "holds"
    assert judge([4.0001], equal_to(4), exact=True).word == "differs"
    assert judge([1.0], above(1.0), exact=True).word == "differs"
    assert judge([4.0, 5.0], equal_to(4), exact=True).word == "inconclusive"
    assert judge([], equal_to(4), exact=True).word == "inconclusive"
    assert judge([math.nan], equal_to(4), exact=True).word == "inconclusive"


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_an_empty_range_is_refused(low, high):
    with pytest.raises(InputError, match="must be below"):
        Range(low, high)


def test_a_range_in_words():
    said = [str(r) for r in (above(0.5), below(2), between(0, 1), equal_to(4))]
    assert said == ["above 0.5", "below 2", "between 0 and 1", "equal to 4"]


def test_seeds_without_their_cells_are_not_counted_as_measured():
    claim = Claim("a", "", "", "", above(0.0), lambda rows: one(rows, noise=0.5)["a"])
    rows = [Row({"noise": 0.5}, seed, {"a": 1.0 + seed}) for seed in range(3)]
    rows += [Row({"noise": 0.0}, 3, {"a": 9.0})]
    values, verdict = decide(claim, rows, [0, 1, 2, 3])
    assert values == [1.0, 2.0, 3.0]
    assert verdict.why == "measured for 3 of 4 seeds"
    assert decide(claim, [], [0, 1, 2])[1].why == "not measured"


def test_a_claim_sees_the_rows_of_one_seed_only():
    seen = []
    claim = Claim("a", "", "", "", above(0.0), lambda rows: seen.append({row.seed for row in rows}) or 1.0)
    decide(claim, [Row({}, seed, {}) for seed in (0, 0, 1, 2)], [0, 1, 2])
    assert seen == [{0}, {1}, {2}]


def test_several_rows_where_one_is_asked_for_are_a_mistake_of_the_study():
    with pytest.raises(ValueError, match="2 cells have"):
        one([Row({"a": 1}, 0, {}), Row({"a": 1}, 1, {})], a=1)
