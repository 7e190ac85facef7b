import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rote.data import Dataset, digest, split
from rote.data._splits import held_out_rows, stratified_order
from rote.errors import InputError

labels = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(lambda y: np.array(y, np.int64))


def toy(y, ids=None, **options):
    y = np.asarray(y, np.int64)
    X = np.arange(len(y), dtype=np.float32)[:, None]
    return Dataset("toy", X, y, np.arange(len(y)) if ids is None else ids, ("a", "b", "c", "d"), **options)


@given(labels, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_prefix_of_the_order_has_nearly_the_class_shares(y, seed):
    order = stratified_order(y, seed=seed)
    assert sorted(order.tolist()) == list(range(len(y)))
    counts = np.bincount(y)
    for t in range(len(y) + 1):
        got = np.bincount(y[order[:t]], minlength=len(counts))
        assert (np.abs(got - counts * t / len(y)) <= 1 + len(counts) * counts / len(y)).all()


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_held_out_rows_leave_every_class_in_training(y, share, seed):
    assume(len(y) > len(np.unique(y)))
    rows = held_out_rows(y, share=share, seed=seed)
    assert 1 <= len(rows) <= max(1, round(share * len(y)))
    assert (np.diff(rows) > 0).all()
    assert set(np.delete(y, rows).tolist()) == set(y.tolist())


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_smaller_limit_keeps_a_subset(one, other):
    d = toy(np.arange(60) % 4)
    assume(min(one, other) > 1)
    small, large = (split(d, limit=n).train for n in sorted((one, other)))
    assert set(small.ids.tolist()) <= set(large.ids.tolist())
    assert len(small) == min(one, other)
    assert small.X[:, 0].tolist() == small.ids.tolist()
    assert (np.diff(small.ids) > 0).all()


def test_the_seed_decides_what_is_held_out():
    d = toy(np.arange(100) % 4)
    drawn = {tuple(split(d, split_seed=s).test.ids.tolist()) for s in (0, 0, 1, 2)}
    assert len(drawn) == 3
    assert np.bincount(split(d).test.y).tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"test_share": 0.0}, "`test_share` must be between 0 and 1, not 0.0"),
        ({"test_share": 1.0}, "`test_share` must be between 0 and 1"),
        ({"test_share": float("nan")}, "`test_share` must be between 0 and 1"),
        ({"limit": 0}, "`limit` must be at least 1, not 0"),
        ({"split_seed": -1}, "`split_seed` must be 0 or more, not -1"),
        ({"limit": 1}, "examples of at least two classes"),
    ],
)
def test_options_out_of_range(options, says):
    with pytest.raises(InputError, match=says):
        split(toy(np.arange(20) % 4), **options)


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (toy([0, 1]), toy([0, 1]), "the id 0 is in the training and in the test part"),
        (toy([0, 1]), toy([], ids=np.array([], np.int64)), "the test part must hold at least one example"),
        (toy([2, 2]), toy([0], ids=np.array([9])), "at least two classes to learn from, but has only 'c'"),
        (toy([]), toy([0], ids=np.array([9])), "but has none"),
    ],
)
def test_parts_that_do_not_fit(train, test, says):
    with pytest.raises(InputError, match=says):
        split(train, test)


def test_parts_of_other_shapes_or_classes():
    train = toy([0, 1])
    wide = Dataset("toy", np.zeros((1, 2), np.float32), np.array([0]), np.array([9]), train.classes)
    with pytest.raises(InputError, match=r"have shape \(1,\) but test examples \(2,\)"):
        split(train, wide)
    other = Dataset("toy", np.zeros((1, 1), np.float32), np.array([0]), np.array([9]), ("a", "z"))
    with pytest.raises(InputError, match="must name the same classes"):
        split(train, other)


def test_one_example_of_each_class_cannot_be_split():
    with pytest.raises(InputError, match="a class needs two examples at least"):
        split(toy([0, 1, 2]))


def test_the_digest_sees_every_part_of_the_data():
    d = toy([0, 1, 1])
    changed = [
        d,
        d[::-1],
        d.with_labels(np.array([1, 1, 1]), noise=""),
        Dataset("toy", d.X + 1, d.y, d.ids, d.classes),
        Dataset("toy", d.X, d.y, d.ids + 1, d.classes),
        Dataset("toy", d.X, d.y, d.ids.astype(str), d.classes),
        Dataset("toy", d.X, d.y, d.ids, ("a", "b", "c", "x")),
        Dataset("toy", d.X.reshape(3, 1, 1, 1), d.y, d.ids, d.classes),
        Dataset("toy", d.X, d.y, d.ids, d.classes, columns=("x",)),
    ]
    assert len({digest(c) for c in changed}) == len(changed)
    assert digest(d) == digest(toy([0, 1, 1]))
    # Recorded once: runs are known by it, so it must not change unseen.
    assert digest(d) == "e984362ca0b97b8f0de6851a160fdebd74c0f607b0406fcb53fdc05cb799b506"
