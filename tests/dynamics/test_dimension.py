"""The dimension that was planted is found."""

import numpy as np
import pytest
import sklearn.neighbors  # noqa: F401, which is slow to load and would be timed with the first test
import torch

from rote.dynamics import Dimension, two_nn
from rote.errors import InputError


def slow_two_nn(points, discard):
    """Point by point, as Facco et al. write it."""
    ratios = []
    for point in points:
        r = sorted(np.linalg.norm(points - point, axis=1))
        ratios.append(r[2] / r[1])  # r[0] is the point itself
    ratios.sort()
    kept = round((1 - discard) * len(ratios))
    pairs = [(np.log(mu), -np.log(1 - (i + 1) / len(ratios))) for i, mu in enumerate(ratios[:kept])]
    return sum(x * y for x, y in pairs) / sum(x * x for x, _ in pairs)


def test_it_is_the_published_fit():
    points = np.random.default_rng(0).standard_normal((60, 3))
    assert two_nn(points).value == pytest.approx(slow_two_nn(points, 0.1))
    assert two_nn(points, discard=0.3).value == pytest.approx(slow_two_nn(points, 0.3))


@pytest.mark.parametrize(
    ("d", "low", "high"), [(1, 0.93, 1.07), (2, 1.88, 2.12), (5, 4.7, 5.4), (10, 8.9, 10.1)]
)
def test_a_planted_dimension(d, low, high):
    rng = np.random.default_rng(d)
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0][:, :d]
    assert low < two_nn(rng.standard_normal((2000, d)) @ rotation.T).value < high


def test_it_sees_neither_scale_nor_place_nor_order():
    points = np.random.default_rng(1).random((300, 3))
    value = two_nn(points).value
    for other in (points * 1e-6, points + 1e4, points[::-1], torch.tensor(points, requires_grad=True)):
        assert two_nn(other).value == pytest.approx(value, rel=1e-4)
    assert two_nn(points.reshape(300, 3, 1)).value == pytest.approx(value)


def test_equal_examples_count_once():
    points = np.random.default_rng(2).random((200, 2))
    found = two_nn(np.r_[points, points[:50]])
    assert (found.examples, found.duplicates, found.kept) == (200, 50, 180)
    assert found.value == two_nn(points).value
    assert repr(found) == f"Dimension({found.value:.3g}, examples=200)"
    assert isinstance(found, Dimension)


def test_without_discarding_the_last_point_still_has_no_logarithm_of_zero():
    assert np.isfinite(two_nn(np.random.default_rng(3).random((50, 2)), discard=0).value)


def test_hostile_input_is_refused():
    with pytest.raises(InputError, match=r"10 different rows to measure a dimension. Got 1"):
        two_nn(np.ones((100, 3)))
    with pytest.raises(InputError, match=r"finite. Got 1 values"):
        two_nn([[0.0, np.inf]] + [[0.0, 1.0]] * 20)
    with pytest.raises(InputError, match=r"shape \[m, p\]"):
        two_nn(np.zeros(5))
    with pytest.raises(InputError, match=r"share from 0 to 0.9"):
        two_nn(np.zeros((5, 5)), discard=1)
    with pytest.raises(InputError, match=r"grid"):
        two_nn(np.arange(20.0)[:, None])
    with pytest.raises(InputError, match=r"list of something else"):
        two_nn([["a", "b"]])
