import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rote.data import load
from rote.data._tables import read_table
from rote.errors import InputError

GOOD = "age,label,size\n" + "".join(f"{i},{'ab'[i % 2]},{i * 0.5}\n" for i in range(10))


def csv_file(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_numbers_are_standardised_by_the_training_part(tmp_path):
    parts = load(str(csv_file(tmp_path, GOOD)))
    ages = np.arange(10.0)
    trained = ages[parts.train.ids]
    assert len(parts.test) == 2
    assert parts.train.columns == ("age", "size")
    assert parts.train.X.dtype == np.float32
    np.testing.assert_allclose(parts.mean, [trained.mean(), trained.mean() / 2])
    np.testing.assert_allclose(parts.std, [trained.std(), trained.std() / 2])
    np.testing.assert_allclose(parts.train.X.mean(axis=0), 0, atol=1e-6)
    for part in (parts.train, parts.test):
        np.testing.assert_allclose(part.X[:, 0] * parts.std[0] + parts.mean[0], ages[part.ids], atol=1e-5)


def test_large_numbers_keep_their_differences_and_constants_become_zero(tmp_path):
    rows = "".join(f"{1_700_000_000 + i},0.1,{i % 2}\n" for i in range(10))
    parts = load(str(csv_file(tmp_path, "time,always,y\n" + rows)))
    assert len(np.unique(parts.train.X[:, 0])) == len(parts.train)
    assert not parts.train.X[:, 1].any()


def test_csv_and_parquet_agree(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"age": list(range(10)), "label": ["a", "b"] * 5, "size": [i * 0.5 for i in range(10)]}
    pq.write_table(pa.table(columns), path)
    table, text = read_table(path), read_table(csv_file(tmp_path, GOOD))
    np.testing.assert_array_equal(table.X, text.X)
    assert table.labels == text.labels
    assert load(str(path)).sha256 == load(str(tmp_path / "t.csv")).sha256


def test_classes_in_the_order_of_their_numbers(tmp_path):
    parts = load(str(csv_file(tmp_path, "x,y\n" + "".join(f"{i},{[10, 9, 2][i % 3]}\n" for i in range(12)))))
    assert parts.train.classes == ("2", "9", "10")


@pytest.mark.parametrize("first", ["id", "", "__index_level_0__"])
def test_an_id_column_gives_the_ids(tmp_path, first):
    text = f"{first},x,y\n" + "".join(f"{1000 - i},{i},{i % 2}\n" for i in range(10))
    parts = load(str(csv_file(tmp_path, text)))
    assert sorted([*parts.train.ids.tolist(), *parts.test.ids.tolist()]) == list(range(991, 1001))
    assert parts.train.columns == ("x",)


def test_ids_with_leading_zeros_stay_text(tmp_path):
    ids = read_table(csv_file(tmp_path, "id,x,y\n007,1,a\n8,2,b\n")).ids
    assert ids.tolist() == ["007", "8"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: it must begin with a line that names the columns"),
        ("age,label\n", "at least one row below its header"),
        ("age,label\n1,a\nx7,b\n", r"row 1 \(line 3\), column `age`: must be a finite number, not 'x7'"),
        ("age,label\n1,a\n,b\n", r"row 1 \(line 3\), column `age`: must be a finite number, not ''"),
        ("age,label\n1,a\nnan,b\n", r"row 1 \(line 3\), column `age`: must be a finite number, not nan"),
        ("age,label\n1,a\n2,b\n1e999,b\n", r"row 2 \(line 4\), column `age`: .* not inf"),
        ("age,label\n1_0,a\n2,b\n", r"row 0 \(line 2\), column `age`: must be a finite number, not '1_0'"),
        ("age,label\n1,a\n\n\n2,\n", r"row 1 \(line 5\): the label in column `label` must not be empty"),
        ("age,label\n1,a\n2\n", "line 3: must have 2 cells as the header has, not 1"),
        (
            "age,name\n1,a\n",
            "no column called label, class, target or y: say with `label` which of `age`, `name`",
        ),
        ("y,class,x\n1,a,1\n", "has several columns called label, class, target or y"),
        ("a,a,label\n1,1,x\n", "names the column `a` twice"),
        ('"a\nb",label\n1,x\n', r"column name 'a\\nb' must be printable"),
        ("label\na\nb\n", "must have a column of numbers beside `label`"),
        ("id,x,y\n7,1,a\n8,2,b\n7,3,a\n", r"row 2 \(line 4\): the id '7' stands already in row 0 \(line 2\)"),
        ("id,x,y\n7,1,a\n,2,b\n", r"row 1 \(line 3\): the id must not be empty"),
        ("x,y\n1,a\n2,a\n3,a\n4,a\n", "at least two classes to learn from, but has only 'a'"),
        ("x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(10)), "holds 10 different values in 10 rows"),
        ('x,y\n1,"a\n2,b\n', "after line 1: cannot be read as CSV"),
        (b"x,y\n1,\xff\n", "cannot be read as CSV"),
        (
            "x,y\n" + "".join(f"{'-' * (i % 2)}1e308,{'ab'[i // 5]}\n" for i in range(10)),
            "column `x` are too large",
        ),
    ],
)
def test_what_is_wrong_in_which_row_and_column(tmp_path, text, says):
    path = csv_file(tmp_path, text)
    with pytest.raises(InputError, match=says) as caught:
        load(str(path))
    assert "t.csv`" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"x": [1.0, None, 2.0, 3.0], "y": [0, 1, 0, 1]}, "row 1, column `x`: must be a finite number"),
        (
            {"x": ["p", "q", "r", "s"], "y": [0, 1, 0, 1]},
            "row 0, column `x`: must be a finite number, not 'p'",
        ),
        (
            {"x": [[1], [2], [3], [4]], "y": [0, 1, 0, 1]},
            "column `x`: must be a finite number, not .1., of type list",
        ),
        ({"x": [1, 2, 3, 4], "y": [0, 1, None, 1]}, "row 2: the label in column `y` must not be empty"),
        (
            {"x": [1, 2, 3, 4], "y": [0, 1, 0, 1], "id": ["a", "b", "b", "c"]},
            "row 2: the id 'b' stands already in row 1",
        ),
        ({"x": [], "y": []}, "row 0|at least one row"),
    ],
)
def test_what_is_wrong_in_a_parquet_file(tmp_path, columns, says):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError, match=says):
        load(str(path))


def test_damaged_or_absent_tables(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load(str(tmp_path / "t.parquet"))
    with pytest.raises(InputError, match=r"none.csv` is not there"):
        load(str(tmp_path / "none.csv"))


def test_label_chooses_the_column(tmp_path):
    path = csv_file(tmp_path, "kind,y\n" + "".join(f"{i % 2},{i}\n" for i in range(8)))
    assert load(str(path), label="kind").train.columns == ("y",)
    with pytest.raises(InputError, match=r"has no column `sort`: `label` must be one of `kind`, `y`"):
        load(str(path), label="sort")
    with pytest.raises(InputError, match="`label` names the column of a CSV"):
        load("digits", label="kind")


@given(st.integers(0, 10**4), st.binary(max_size=3), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_damage_gives_a_table_or_one_sentence(scratch, at, value, cut):
    content = GOOD.encode()
    at %= len(content)
    path = scratch / "t.csv"
    path.write_bytes(content[:at] + (b"" if cut else value + content[at + 1 :]))
    try:
        table = read_table(path)
    except InputError as error:
        message = str(error)
        assert "t.csv`" in message
    else:
        assert len(table.X) == len(table.labels) == len(table.ids) > 0
        assert np.isfinite(table.X).all()
