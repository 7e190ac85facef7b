"""Covers: what their circuits answer, PLA files of every type, and what is refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_files import abc, damaged
from oracles.circuit_truth import all_examples, evaluate, random_circuit, same
from rote.circuits import Builder, Circuit, from_cover
from rote.data import read_pla
from rote.errors import InputError


@pytest.fixture
def pla(tmp_path):
    def write(text, name="net.pla"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def by_hand(rows, lists, x):
    """One example, one output, one row at a time; a row is a list of 1, 0, -1."""
    outputs = len(lists[0]) if lists else 0

    def holds(row, bits):
        return all(asked in (-1, bit) for asked, bit in zip(row, bits, strict=True))

    return [
        [
            any(listed[o] == 1 and holds(row, bits) for row, listed in zip(rows, lists, strict=True))
            for o in range(outputs)
        ]
        for bits in x
    ]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_circuits_answer_as_covers_say(data):
    n, outputs = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 3))
    p = data.draw(st.integers(1, 8))
    rows = [data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n)) for _ in range(p)]
    lists = [
        data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=outputs, max_size=outputs)) for _ in range(p)
    ]
    circuit = from_cover(np.array(rows, np.int8).reshape(p, n), np.array(lists, np.int8).reshape(p, outputs))
    assert circuit.inputs == tuple(f"x{i}" for i in range(n))
    assert circuit.outputs == tuple(f"y{i}" for i in range(outputs))
    x = all_examples(n)
    assert evaluate(circuit, x).tolist() == by_hand(rows, lists, x.astype(int).tolist())


def test_rows_are_shared_and_trees_balanced():
    rows = np.array([[1, 1, -1, 0, -1, 1], [-1] * 5 + [0], [1, 1, -1, 0, -1, 1]], np.int8)
    circuit = from_cover(
        rows, np.array([[1, 1], [1, 0], [1, 1]]), input_names=list("abcdef"), output_names=["f", "g"]
    )
    assert (circuit.inputs, circuit.outputs) == (tuple("abcdef"), ("f", "g"))
    assert circuit.gates == 3 + 1  # one product of four literals, one OR
    assert circuit.levels.max() == 2 + 1
    wide = from_cover(np.ones((1, 1000), np.int8), np.ones((1, 1), np.int8))
    assert (wide.gates, wide.levels.max()) == (999, 10)
    lone = from_cover(np.where(np.eye(64, dtype=bool), 1, -1).astype(np.int8), np.ones((64, 1), bool))
    assert (lone.gates, lone.levels.max()) == (63, 6)


def test_many_rows_come_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, (50, 6)).astype(np.int8)
    lists = rng.random((50, 2)) < 0.3
    whole = from_cover(rows, lists)
    monkeypatch.setattr("rote.circuits._cover._BLOCK", 20)
    parts = from_cover(rows, lists)
    x = all_examples(6)
    assert (evaluate(whole, x) == evaluate(parts, x)).all()
    assert whole.gates == parts.gates


def test_what_is_no_cover():
    good = np.zeros((2, 3), np.int8), np.ones((2, 1), np.int8)
    with pytest.raises(InputError, match=r"must have shapes .* Got \(2, 3\) and \(3, 1\)"):
        from_cover(good[0], np.ones((3, 1), np.int8))
    with pytest.raises(InputError, match=r"Got \(3,\) and \(2, 1\)"):
        from_cover(good[0][0], good[1])
    with pytest.raises(InputError, match=r"`inputs` must be 1, 0, or -1 for either\. Got 2"):
        from_cover(good[0] + 2, good[1])
    with pytest.raises(InputError, match=r"`input_names` must name 3 inputs\. Got 1"):
        from_cover(*good, input_names=["a"])
    with pytest.raises(InputError, match=r"`output_names` must name 1 outputs\. Got 2"):
        from_cover(*good, output_names=["f", "g"])


ROWS = ".i 3\n.o 2\n.ilb a b c\n.ob f g\n{}11- 10\n0-1 11\n-00 0-\n.e\n"


@pytest.mark.parametrize("kind", ["", ".type f\n", ".type fd\n", ".type fr\n", ".type fdr\n"])
def test_of_every_type_the_rows_that_answer_1_count(pla, kind):
    circuit = Circuit.read(pla(ROWS.format(kind)))
    assert (circuit.inputs, circuit.outputs) == (("a", "b", "c"), ("f", "g"))
    a, b, c = all_examples(3).T
    assert (evaluate(circuit, all_examples(3)) == np.stack([(a & b) | (~a & c), ~a & c], axis=1)).all()
    assert circuit.gates == 3  # NOT a AND c is made once


def test_contradictions_are_found_where_rows_are_equal(pla):
    path = pla(".i 2\n.o 2\n.type fr\n1- 10\n01 11\n1- -1\n1- 0-\n")
    with pytest.raises(
        InputError, match=r"line 4: output `y1` must not be 0 where line 6 says 1: correct one"
    ):
        Circuit.read(path)
    assert Circuit.read(pla(".i 2\n.o 1\n.type f\n1- 1\n1- 0\n")).gates == 0  # there a 0 says nothing


def test_bad_files(pla):
    for text, said in [
        ("", "is empty: a PLA file"),
        (".i 2\n.o 1\n1x 1\n", "line 3: an input must be one of 0 1 - 2"),
    ]:
        with pytest.raises(InputError, match=said):
            Circuit.read(pla(text))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 12), st.integers(1, 4))
def test_truth_tables_come_back(tmp_path_factory, seed, inputs, gates, outputs):
    circuit = random_circuit(seed, inputs, gates, outputs)
    path = circuit.write(tmp_path_factory.getbasetemp() / "trip.pla")
    assert same(circuit, Circuit.read(path))
    table = read_pla(path)  # which is a data set too
    assert (evaluate(circuit, table.X) == (table.Y == 1)).all()
    assert (len(table.X), table.type) == (1 << inputs, "fr")


def test_what_cannot_be_written(pla):
    wide = Builder([f"x{i}" for i in range(17)])
    with pytest.raises(InputError, match=r"truth table of 1 to 16 inputs .* has 17 and 1: write .aig, .blif"):
        wide.finish({"f": 2}).write(pla(""))
    with pytest.raises(InputError, match="this circuit has 0 and 1"):
        Builder([]).finish({"f": 1}).write(pla(""))
    with pytest.raises(InputError, match="this circuit has 1 and 0"):
        Builder(["a"]).finish({}).write(pla(""))
    for bad in ("a b", "a#", "état"):
        with pytest.raises(InputError, match="A PLA file cannot write the name"):
            Builder([bad]).finish({"f": 2}).write(pla(""))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.pla"
    path.write_bytes(data.draw(damaged(ROWS.format(".type fr\n").encode())))
    with suppress(InputError):  # and nothing else
        Circuit.read(path)


def test_what_abc_writes_and_what_it_reads(pla):
    circuit = random_circuit(1, 5, 30, 3)
    ours, aiger, back = circuit.write(pla("")), circuit.write(pla("", "x.aig")), pla("", "back.pla")
    assert "Networks are equivalent" in abc(f"cec {ours} {aiger}")
    abc(f"read {ours}; collapse; write_pla {back}")
    assert same(circuit, Circuit.read(back))


def test_files_are_known_by_their_suffix(tmp_path):
    circuit = random_circuit(0, 2, 3, 1)
    with pytest.raises(
        InputError, match=r"x.net` must end in one of .aig, .aag, .blif, .pla, .v, .bench, which"
    ):
        circuit.write(tmp_path / "x.net")
    with pytest.raises(InputError, match="must end in one of"):
        Circuit.read(tmp_path / "aig")
    with pytest.raises(InputError, match=r"x\.aig` is not there: check the path"):
        Circuit.read(tmp_path / "x.aig")
    (tmp_path / "y.blif").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Circuit.read(tmp_path / "y.blif")
    with pytest.raises(InputError, match=r"nowhere/x\.aig` cannot be written"):
        circuit.write(tmp_path / "nowhere" / "x.aig")
    with pytest.raises(InputError, match=r"y\.blif` cannot be written"):
        circuit.write(tmp_path / "y.blif")
    assert circuit.write(str(tmp_path / "X.AIG")) == tmp_path / "X.AIG"
    assert same(circuit, Circuit.read(str(tmp_path / "X.AIG")))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["X.AIG", "y.blif"]  # and no remains


def test_a_circuit_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = random_circuit(0, 2, 3, 1).write(tmp_path / "x.v")
    before = path.read_bytes()
    with pytest.raises(InputError, match="Verilog cannot write"):
        Builder(["a b"]).finish({"f": 2}).write(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["x.v"]
