"""Data as ``rote lut`` takes it: numbers as they stood in the file, questions, judging on another file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rote._lut._data import Reading, make_binariser, read_tasks, unstandardised
from rote.errors import InputError


@settings(max_examples=100)
@given(
    arrays.arrays(
        np.int64, st.tuples(st.integers(2, 20), st.integers(1, 3)), elements=st.integers(-9999, 9999)
    ),
    st.integers(-(10**9), 10**9),
)
def test_whole_numbers_come_back_as_they_were(X, offset):
    X = (X + offset).astype(float)
    std = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    Z = ((X - X.mean(axis=0)) / std).astype(np.float32)
    np.testing.assert_allclose(unstandardised(Z, X.mean(axis=0), std), X, rtol=0, atol=0.02)
    if not offset:
        np.testing.assert_array_equal(unstandardised(Z, X.mean(axis=0), std), X)


def write_csv(path, rows=40, *, columns=("a", "b"), labels=("no", "yes"), seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 2, (rows, len(columns))), rng.permutation(rows) % len(labels)
    lines = [",".join((*columns, "label"))]
    lines += [",".join([*map(str, row), labels[c]]) for row, c in zip(X, y, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_bits_of_a_table_stay_bits(tmp_path):
    (task,) = read_tasks(write_csv(tmp_path / "t.csv"), Reading())
    assert (len(task.train.y), len(task.test.y), task.columns) == (32, 8, ("a", "b"))
    assert set(np.unique(task.train.X)) == {0.0, 1.0}
    assert make_binariser("auto", 8, task) is None


def test_judging_on_another_file_learns_from_all_of_the_first(tmp_path):
    one, other = write_csv(tmp_path / "one.csv"), write_csv(tmp_path / "two.csv", rows=10, seed=1)
    (task,) = read_tasks(one, Reading(test=other))
    assert (len(task.train.y), len(task.test.y)) == (40, 10)
    assert set(task.test.y) == {"no", "yes"}
    (few,) = read_tasks(one, Reading(test=other, limit=20))
    assert (len(few.train.y), len(few.test.y)) == (20, 10)
    assert few.sha256 != task.sha256


def test_a_test_file_with_other_columns_or_classes_is_refused(tmp_path):
    one = write_csv(tmp_path / "one.csv")
    other = write_csv(tmp_path / "two.csv", columns=("a", "c"))
    with pytest.raises(InputError, match=r"has the column `c` where `.*one.csv` has `b`"):
        read_tasks(one, Reading(test=other))
    with pytest.raises(InputError, match=r"has 3 columns beside the label, but `.*one.csv` has 2"):
        read_tasks(one, Reading(test=write_csv(tmp_path / "three.csv", columns=("a", "b", "c"))))
    with pytest.raises(InputError, match=r"`test`: `four.csv` has the class 'maybe'"):
        read_tasks(one, Reading(test=write_csv(tmp_path / "four.csv", labels=("no", "yes", "maybe"))))


def test_classes_as_one_question(tmp_path):
    path = write_csv(tmp_path / "t.csv", labels=("x", "y", "z"))
    (plain,), (asked,) = read_tasks(path, Reading()), read_tasks(path, Reading(yes=("x", "z")))
    np.testing.assert_array_equal(asked.train.y == "yes", plain.train.y != "y")
    assert asked.sha256 != plain.sha256
    with pytest.raises(InputError, match=r"`yes` must name classes of `t.csv` \(x, y, z\). Got 'w'."):
        read_tasks(path, Reading(yes=("w",)))
    with pytest.raises(InputError, match="must leave out a class"):
        read_tasks(path, Reading(yes=("x", "y", "z")))


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (Reading(every_output=True), "`every_output` is for PLA files"),
        (Reading(dont_cares="expand"), "`dont_cares` is for PLA files"),
    ],
)
def test_what_only_a_pla_file_has(reading, said):
    with pytest.raises(InputError, match=said):
        read_tasks("digits", reading)


@pytest.mark.parametrize(
    ("name", "bits"),
    [("threshold", 64), ("thermometer", 192), ("quantiles", 192), ("pca", 3), ("integer", 192)],
)
def test_each_binariser(name, bits):
    (task,) = read_tasks("digits", Reading())
    made = make_binariser(name, 3, task)
    if name == "integer":
        with pytest.raises(InputError, match="bits"):
            made.fit(task.train.X).transform(task.train.X)
        made = make_binariser(name, 8, task)
        bits = 512
    assert made.fit(task.train.X).transform(task.train.X[:2]).shape == (2, bits)


def test_an_unknown_binariser_is_refused():
    with pytest.raises(InputError, match="`binariser` must be one of auto, threshold"):
        make_binariser("magic", 8, read_tasks("digits", Reading())[0])
