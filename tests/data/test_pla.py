"""PLA files: what each type says, what is refused and in which words."""

import itertools
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.data import load, pla_dataset, read_cover, read_pla
from rote.errors import InputError


@pytest.fixture
def pla(tmp_path):
    def write(text, name="f.pla"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_rows_of_several_outputs(pla):
    read = read_pla(
        pla("# a comment\n.i 3\n.o 2\n.ilb a b c\n.ob f g\n.p 2\n.type fr\n101 1- # y\n\n0 1 0|0~\n.e\nrest")
    )
    assert read.X.astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert read.Y.tolist() == [[1, -1], [0, -1]]
    assert (read.inputs, read.outputs, read.type) == (("a", "b", "c"), ("f", "g"), "fr")
    assert read.lines.tolist() == [8, 10]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("fr", [1, 0, -1, -1]), ("fdr", [1, 0, -1, -1]), ("f", [1, -1, -1, -1]), ("fd", [1, -1, -1, -1])],
)
def test_what_outputs_say_depends_on_the_type(pla, kind, said):
    read = read_pla(pla(f".i 1\n.o 4\n.type {kind}\n1 10-~\n"))
    assert read.Y[0].tolist() == said
    assert read_pla(pla(f".i 1\n.o 4\n.type {kind}\n1 4023\n")).Y[0].tolist() == said


def test_without_a_type_it_is_fd(pla):
    assert read_pla(pla(".i 1\n.o 1\n1 1\n0 0\n")).type == "fd"


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_expanded_rows_are_the_rows_that_are_meant(tmp_path_factory, data):
    inputs = data.draw(st.integers(1, 5))
    rows = data.draw(st.lists(st.text("01-", min_size=inputs, max_size=inputs), min_size=1, max_size=8))
    labels = data.draw(st.lists(st.sampled_from("01"), min_size=len(rows), max_size=len(rows)))
    text = "\n".join(f"{row} {label}" for row, label in zip(rows, labels, strict=True))
    path = tmp_path_factory.getbasetemp() / "expand.pla"
    path.write_text(f".i {inputs}\n.o 1\n.type fr\n{text}\n")
    read = read_pla(path, dont_cares="expand")
    want = [
        (bits, int(label), 4 + i)
        for i, (row, label) in enumerate(zip(rows, labels, strict=True))
        for bits in itertools.product(*("01" if c == "-" else c for c in row))
    ]
    got = zip(read.X.astype(int).tolist(), read.Y[:, 0].tolist(), read.lines.tolist(), strict=True)
    assert sorted(("".join(map(str, x)), y, n) for x, y, n in got) == sorted(
        ("".join(b), y, n) for b, y, n in want
    )


def test_a_cover_keeps_its_dont_cares(pla):
    cover = read_cover(pla(".i 3\n.o 2\n.ilb a b c\n.type fr\n1-2 1-\n0 1 0 | 0 4\n"))
    assert cover.X.tolist() == [[1, -1, -1], [0, 1, 0]]
    assert cover.Y.tolist() == [[1, -1], [0, 1]]
    assert (cover.inputs, cover.outputs, cover.type) == (("a", "b", "c"), ("y0", "y1"), "fr")
    assert cover.lines.tolist() == [5, 6]


HEAD = ".i 2\n.o 1\n.type fr\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"is empty: a PLA file begins with `.i` and `.o`"),
        ("# nothing\n\n", "is empty"),
        (".i 2\n.o 1\n", "must hold at least one row"),
        (".e\n", "must say `.i` above its rows; is this a PLA file"),
        ("01 1\n", "line 1: `.i` must stand above the first row"),
        (HEAD + "011 1\n", "line 4: must have 2 input and 1 output characters.*but has 4 in all"),
        (HEAD + "01 1\n0 1\n", "line 5: must have 2 input and 1 output .* but has 2 in all"),
        (HEAD + "0x 1\n", "line 4: an input must be one of 0 1 - 2, not 'x'"),
        (HEAD + "xx 1\n", "not .x."),
        (HEAD + "01 x\n", "line 4: an output must be one of .*, not 'x'"),
        (HEAD + "0- 1\n", 'line 4: input 1 may be either: expand such rows .`dont_cares="expand"`'),
        (
            ".p 3\n" + HEAD + "01 1\n",
            "line 1: the file has 1 rows but `.p` says 3: the file is cut off, or correct `.p`",
        ),
        (".i 0\n", "line 1: `.i` must be one number from 1 to 1048576, not '0'"),
        (".i 2 3\n", "not '2 3'"),
        (".i\n", "not ''"),
        (".i -1\n", "not '-1'"),
        (".i 99999999999999999999\n", "line 1: `.i` must be one number"),
        (".i 2\n.i 3\n", "line 2: `.i` must stand in the file once"),
        (HEAD + "01 1\n.i 2\n", "`.i` must stand above the first row"),
        (HEAD + "01 1\n.type f\n", "`.type` must stand above the first row"),
        (".type g\n", "line 1: `.type` must be one of fr, fdr, f, fd, not 'g'"),
        (".mv 3\n", "`.mv` is not supported"),
        (".nope\n", "line 1: '.nope' is no directive of a PLA file"),
        (".ilb a\n" + HEAD + "01 1\n", "`.ilb` must name 2 columns as `.i` says, not 1"),
        (".ob a b\n" + HEAD + "01 1\n", "`.ob` must name 1 columns as `.o` says, not 2"),
        (".ilb a a\n", "line 1: `.ilb` must not name anything twice"),
        (b".i 2\n.o 1\n\xff\xfe 1\n", "line 3: must be plain ASCII text"),
        (bytes(range(128, 256)), "must be plain ASCII text"),
    ],
)
def test_bad_files(pla, text, said):
    path = pla(text)
    with pytest.raises(InputError, match=said) as error:
        read_pla(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_too_many_rows_to_expand(pla):
    path = pla(".i 60\n.o 1\n.type fr\n" + "-" * 60 + " 1\n")
    with pytest.raises(InputError, match=r"line 4: 60 inputs may be either, .* 1.15e\+18 rows: at most"):
        read_pla(path, dont_cares="expand")


def test_what_is_no_file_and_no_option(tmp_path, pla):
    with pytest.raises(InputError, match="is not there"):
        read_pla(tmp_path / "nope.pla")
    with pytest.raises(InputError, match="cannot be read"):
        read_pla(tmp_path)
    with pytest.raises(InputError, match="`dont_cares` must be refuse or expand"):
        read_pla(pla(""), dont_cares="guess")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_make_another_error(tmp_path_factory, junk, headed):
    path = tmp_path_factory.getbasetemp() / "junk.pla"
    path.write_bytes((b".i 2\n.o 1\n" if headed else b"") + junk)
    with suppress(InputError):  # and nothing else
        read_pla(path, dont_cares="expand")


def test_as_a_dataset(pla):
    path = pla(".i 2\n.o 2\n.ob f g\n.type fr\n00 0-\n01 11\n10 0~\n11 10\n")
    read = read_pla(path)
    g = pla_dataset(read, name="g", path=path, output="g")
    assert (g.X.tolist(), g.y.tolist(), g.ids.tolist()) == ([[0, 1], [1, 1]], [1, 0], [1, 3])
    with pytest.raises(InputError, match="has 2 outputs: say with `label` which of `f`, `g`"):
        pla_dataset(read, name="", path=path)
    with pytest.raises(InputError, match="has no output `h`"):
        pla_dataset(read, name="", path=path, output="h")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".i 1\n.o 1\n1 1\n0 0\n", "no row that answers 0: `.type fd` lists only rows that answer 1"),
        (".i 1\n.o 1\n.type fr\n1 1\n0 1\n", "no row that answers 0: both are needed"),
        (".i 1\n.o 1\n.type fr\n1 0\n0 0\n", "no row that answers 1: both are needed"),
    ],
)
def test_both_answers_are_needed(pla, text, said):
    path = pla(text)
    with pytest.raises(InputError, match=said):
        pla_dataset(read_pla(path), name="", path=path)


def test_load_reads_a_pla_file(pla):
    rows = "\n".join(f"{i:05b} {i % 2}" for i in range(32))
    path = pla(f".i 5\n.o 1\n.type fr\n{rows}\n")
    parts = load(str(path), test_share=0.25)
    assert len(parts.train) == 24
    assert set(np.unique(parts.train.X)) == {0.0, 1.0}
    assert (parts.train.y == parts.train.X[:, 4]).all()
    assert parts.train.columns == ("x0", "x1", "x2", "x3", "x4")
