"""Robust means: definitions, invariances, ties, zeros, what is not finite, what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rote.aggregate import (
    Clamp,
    Drop,
    GroupMedian,
    clamped_products,
    median_of_means,
    median_of_three,
    trimmed_mean,
    winsorized_mean,
)
from rote.aggregate._means import medians_of_three
from rote.aggregate._products import products_by_sorting
from rote.errors import InputError

# Few distinct values, so that ties and zeros are common; small whole numbers, so that sums are exact.
whole = st.integers(-5, 5).map(float)
sizes = st.tuples(st.integers(3, 25), st.integers(1, 6))
matrices = sizes.flatmap(lambda size: arrays(np.float64, size, elements=whole))
quick = settings(max_examples=25, deadline=None)


def sums(rows, c):
    return Clamp(c).of_rows(torch.from_numpy(rows)).numpy()


@quick
@given(matrices, st.integers(0, 12))
def test_winsorized_by_sorting(rows, c):
    assume(2 * c < len(rows))
    ranked = np.sort(rows, axis=0)
    expected = np.clip(rows, ranked[c], ranked[len(rows) - 1 - c]).sum(0)
    np.testing.assert_array_equal(sums(rows, c), expected)
    np.testing.assert_allclose(winsorized_mean(torch.from_numpy(rows), c=c), expected / len(rows), rtol=1e-14)
    kept = ranked[c : len(rows) - c].mean(0)
    np.testing.assert_allclose(trimmed_mean(torch.from_numpy(rows), c=c), kept, rtol=1e-14)


@quick
@given(matrices, st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_order_of_examples_does_not_matter(rows, c, random):
    assume(2 * c < len(rows))
    order = list(range(len(rows)))
    random.shuffle(order)
    np.testing.assert_array_equal(sums(rows[order], c), sums(rows, c))


@quick
@given(matrices, st.integers(0, 12), st.sampled_from([0.25, 2.0, 1024.0]))
def test_it_scales_with_the_gradients(rows, c, scale):
    assume(2 * c < len(rows))
    np.testing.assert_array_equal(sums(rows * scale, c), sums(rows, c) * scale)
    np.testing.assert_array_equal(sums(-rows, c), -sums(rows, c))


@quick
@given(matrices)
def test_level_zero_is_the_sum(rows):
    np.testing.assert_array_equal(sums(rows, 0), rows.sum(0))


@quick
@given(matrices, st.integers(1, 12))
def test_as_few_as_c_have_no_say_against_zeros(rows, c):
    assume(2 * c < len(rows))
    rows[c:] = 0
    assert not sums(rows, c).any()
    assert not Drop(c).of_rows(torch.from_numpy(rows)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("aggregate", [Clamp(2), Drop(2), GroupMedian(3), GroupMedian(4)], ids=repr)
def test_products_and_rows_agree(aggregate, dtype):
    left, right = torch.randn(11, 5, dtype=dtype).relu(), torch.randn(11, 7, dtype=dtype)
    rows = (left.unsqueeze(2) * right.unsqueeze(1)).flatten(1)
    got = aggregate.of_products(left, right)
    assert got.dtype == dtype
    torch.testing.assert_close(got.flatten(), aggregate.of_rows(rows))


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("c", [0, 1, 5])
def test_the_torch_twin_agrees(c, drop, monkeypatch):
    monkeypatch.setattr("rote.aggregate._products.CHUNK", 100)
    left, right = torch.randn(12, 5).relu(), torch.randn(12, 7)
    left[0, 0] = float("nan")
    options = {"c": c, "drop": drop, "scale": 0.5}
    torch.testing.assert_close(
        clamped_products(left, right, **options), products_by_sorting(left, right, **options), equal_nan=True
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("aggregate", [Clamp(2), Drop(2), GroupMedian(3), GroupMedian(5)], ids=repr)
def test_what_is_not_finite_is_not_hidden(aggregate, value):
    rows = torch.ones(9, 2)
    rows[4, 1] = value
    assert aggregate.of_rows(rows).isnan().tolist() == [False, True]


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 7])
def test_median_of_means(groups):
    rows = torch.randn(11, 5, dtype=torch.float64)
    expected = np.median([part.mean(0) for part in np.array_split(rows.numpy(), groups)], axis=0)
    np.testing.assert_allclose(median_of_means(rows, groups=groups), expected, rtol=1e-12)


@quick
@given(arrays(np.float32, (3, 8), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_the_median_of_three_is_one_of_them_to_the_last_bit(three):
    a, b, c = torch.from_numpy(three)
    expected = np.sort(three, axis=0)[1]
    np.testing.assert_array_equal(median_of_three(a, b, c), expected)
    (found,) = medians_of_three([a], [b], [c], foreach=True)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Clamp(-1), "`c` must be a whole number of at least 0. Got -1"),
        (lambda: Clamp(1.5), "Got 1.5"),
        (lambda: Drop(True), "Got True"),
        (lambda: GroupMedian(0), "`groups` must be a whole number of at least 1"),
        (lambda: Clamp(3).check(6), "Got c=3 with a batch of 6: use batches of at least 7"),
        (lambda: Drop(3).check(6), "Got c=3 with a batch of 6"),
        (lambda: GroupMedian(3).check(2), "Got groups=3 with a batch of 2"),
        (lambda: winsorized_mean(torch.ones(4, 1), c=2), "0 <= 2c < m. Got c=2 with m=4"),
        (lambda: trimmed_mean(torch.ones(4), c=1), "`rows` must be a float32 or float64 matrix"),
        (lambda: median_of_means(torch.ones(4, 1), groups=5), "from 1 to m. Got groups=5 with m=4"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        call()


def test_the_least_batch_is_accepted():
    Clamp(3).check(7)
    Drop(3).check(7)
    GroupMedian(3).check(3)
