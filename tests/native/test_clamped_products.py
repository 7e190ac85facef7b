"""The native loop of clamped products agrees with its twin, and the twin with the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote._native import _loops, _twins, clamped_products
from rote.errors import InputError

ISAS = _loops._extension.instruction_sets() if _loops._extension else []
SHAPES = [(1, 1, 1), (3, 2, 5), (5, 1, 70), (7, 65, 3), (16, 3, 64), (33, 2, 17), (35, 3, 9), (100, 5, 130)]


def factors(m, p, d, *, zeros=0.4, dtype=np.float64, ties=False):
    rng = np.random.default_rng(m * 100 + d)
    draw = (
        (lambda *shape: rng.integers(-2, 3, shape)) if ties else (lambda *shape: rng.standard_normal(shape))
    )
    left, right = draw(m, p).astype(dtype), draw(m, d).astype(dtype)
    left[rng.random((m, p)) < zeros] = 0
    return left, right


def by_hand(left, right, c, drop):
    """One coordinate at a time, in plain Python."""
    out = np.empty((left.shape[1], right.shape[1]))
    for r in range(out.shape[0]):
        for j in range(out.shape[1]):
            ranked = sorted(float(v) for v in left[:, r] * right[:, j])
            kept = ranked[c : len(ranked) - c]
            out[r, j] = sum(kept) + (0 if drop else c * (kept[0] + kept[-1]))
    return out


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin_is_the_definition(shape, drop):
    left, right = factors(*shape)
    for c in range(min(4, (shape[0] - 1) // 2 + 1)):
        got = _twins.clamped_products(left, right, c=c, drop=drop, scale=1.0)
        np.testing.assert_allclose(got, by_hand(left, right, c, drop), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", ["", *ISAS])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_instruction_set_agrees_with_the_twin(shape, isa, dtype):
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for zeros, ties in ((0.0, False), (0.5, True), (0.9, False), (1.0, False)):
        left, right = factors(*shape, zeros=zeros, dtype=dtype, ties=ties)
        for c in sorted({0, 1, 2, 3, 4, 7, 8, 9, 16, 17, (shape[0] - 1) // 2}):
            if 2 * c < shape[0]:
                got = clamped_products(left, right, c=c, threads=2, isa=isa, scale=0.5)
                assert got.dtype == dtype
                twin = _twins.clamped_products(left, right, c=c, drop=False, scale=0.5)
                np.testing.assert_allclose(got, twin, **close)
                dropped = clamped_products(left, right, c=c, drop=True, isa=isa)
                twin = _twins.clamped_products(left, right, c=c, drop=True, scale=1.0)
                np.testing.assert_allclose(dropped, twin, **close)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40).flatmap(lambda m: st.tuples(st.just(m), st.integers(0, (m - 1) // 2))),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 0.8]),
)
def test_any_size_and_level_and_many_ties(size, seed, zeros):
    m, c = size
    rng = np.random.default_rng(seed)
    left = rng.integers(-3, 4, (m, 3)) * (rng.random((m, 3)) >= zeros)
    right = rng.integers(-2, 3, (m, 18)).astype(np.float64)
    got = clamped_products(left.astype(np.float64), right, c=c)
    np.testing.assert_array_equal(got, by_hand(left, right, c, False))  # whole numbers: no rounding


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("isa", ["", *ISAS])
def test_what_is_not_finite_becomes_nan(isa, value):
    left, right = factors(9, 4, 20, zeros=0.0)
    left[3, 1] = value
    right[5, 7] = value
    got = clamped_products(left, right, c=2, isa=isa)
    expected = np.zeros((4, 20), bool)
    expected[1], expected[:, 7] = True, True
    np.testing.assert_array_equal(np.isnan(got), expected)
    np.testing.assert_array_equal(
        np.isnan(_twins.clamped_products(left, right, c=2, drop=False, scale=1.0)), expected
    )


def test_zero_times_infinity_is_not_skipped():
    left, right = np.zeros((5, 1)), np.ones((5, 2))
    right[0, 1] = np.inf
    np.testing.assert_array_equal(np.isnan(clamped_products(left, right, c=1)), [[False, True]])


def test_a_product_that_overflows_becomes_nan():
    left, right = np.full((5, 1), 1e30, np.float32), np.full((5, 1), 1e30, np.float32)
    assert np.isnan(clamped_products(left, right, c=1)).all()


def test_nothing_is_lost_beside_a_huge_extreme():
    """Sums of what is left, never a total minus the extremes."""
    values = np.array([[1e16], [1.0], [2.0], [3.0], [-1e16], [0.5], [0.25]])
    assert clamped_products(np.ones((7, 1)), values, c=1, drop=True).item() == 6.75


def test_rows_that_are_not_contiguous():
    left, right = factors(20, 10, 12)
    got = clamped_products(left[::2, ::2], right[::2, ::3], c=1)
    np.testing.assert_allclose(got, by_hand(left[::2, ::2], right[::2, ::3], 1, False), rtol=1e-12)


ONE = np.ones((3, 1))


@pytest.mark.parametrize(
    ("left", "right", "options", "said"),
    [
        (np.ones(3), ONE, {"c": 1}, "`left` must be a float32 or float64 matrix"),
        (ONE, ONE.astype(int), {"c": 1}, "`right` must be a float32 or float64 matrix"),
        (ONE, ONE.astype(np.float32), {"c": 1}, "the same type and equally many rows"),
        (ONE, np.ones((4, 1)), {"c": 1}, "the same type and equally many rows"),
        (ONE, ONE, {"c": 2}, "`c` must satisfy 0 <= 2c < m. Got c=2 with m=3"),
        (ONE, ONE, {"c": -1}, "`c` must satisfy"),
        (ONE, ONE, {"c": 1, "threads": 0}, "`threads` must be at least 1"),
    ],
)
def test_bad_arguments(left, right, options, said):
    with pytest.raises(InputError, match=said):
        clamped_products(left, right, **options)
