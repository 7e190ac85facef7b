"""BLIF files: covers of every kind, round trips, ABC and Yosys, and what is refused."""

import itertools
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_files import abc, damaged, yosys
from oracles.circuit_truth import (
    all_examples,
    circuits,
    evaluate,
    node_values,
    random_circuit,
    same,
    same_by_name,
)
from rote.circuits import Circuit
from rote.errors import InputError


@pytest.fixture
def blif(written):
    return lambda text, name="net.blif": written(text, name)


def by_hand(cubes, value, x):
    """What a cover answers, one example and one cube at a time."""
    listed = [
        any(all(c in ("-", str(int(b))) for c, b in zip(cube, row, strict=True)) for cube in cubes)
        for row in x
    ]
    return [hit == (value == "1") for hit in listed]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_covers_answer_as_their_rows_say(tmp_path_factory, data):
    k = data.draw(st.integers(0, 4))
    cubes = data.draw(st.lists(st.text("01-", min_size=k, max_size=k), max_size=6))
    value = data.draw(st.sampled_from("01")) if cubes else "1"
    names = [f"x{i}" for i in range(k)]
    rows = "".join(f"{cube} {value}\n" for cube in cubes)
    path = tmp_path_factory.getbasetemp() / "cover.blif"
    path.write_text(
        f".model m\n.inputs {' '.join(names)}\n.outputs f\n.names {' '.join([*names, 'f'])}\n{rows}.end\n"
    )
    x = all_examples(k)
    assert evaluate(Circuit.read(path), x)[:, 0].tolist() == by_hand(cubes, value, x.tolist())


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("value", "01")
def test_parities_become_exclusive_ors(blif, k, parity, value):
    rows = [bits for bits in itertools.product("01", repeat=k) if bits.count("1") % 2 == parity]
    cover = "".join(f"{''.join(bits)} {value}\n" for bits in rows)
    names = " ".join(f"x{i}" for i in range(k))
    circuit = Circuit.read(blif(f".model m\n.inputs {names}\n.outputs f\n.names {names} f\n{cover}"))
    assert circuit.gates == int(circuit.xor.sum()) == k - 1
    odd = all_examples(k).sum(1) % 2 == 1
    assert (evaluate(circuit, all_examples(k))[:, 0] == (odd == ((parity == 1) == (value == "1")))).all()


@pytest.mark.parametrize(
    ("cover", "gates"),
    [
        (".names a b f\n11 1\n", 1),
        (".names a b f\n11 0\n", 1),
        (".names a b f\n1- 1\n-1 1\n", 1),
        (".names a f\n0 1\n", 0),
        (".names f\n1\n", 0),
        (".names f\n", 0),
        (".names a b f\n-- 1\n10 1\n", 0),
        (".names a b c f\n11- 1\n0-1 1\n", 3),
        (".names a b f\n10 1\n01 1\n01 1\n", 5),  # twice the same row: no parity, but a sum all the same
        (".names a b c d e f\n11111 1\n", 4),
    ],
)
def test_how_many_gates_a_cover_takes(blif, cover, gates):
    circuit = Circuit.read(blif(f".model m\n.inputs a b c d e\n.outputs f\n{cover}.end\n"))
    assert circuit.gates == gates


def test_the_text_around_covers(blif):
    circuit = Circuit.read(
        blif(
            "# made by hand\r\n.model half adder\n.inputs a \\\n  b # the second\n.inputs c\n"
            ".outputs sum\n.outputs \\\ncarry a\n\n.names n1 carry # read before it is defined\n1 1\n"
            ".names a b \\\n sum\n10 1\n01 \\\n1\n.names a b n1\n11 1\n.end\n.latch nothing is read here\n"
        )
    )
    assert (circuit.inputs, circuit.outputs) == (("a", "b", "c"), ("sum", "carry", "a"))
    a, b, _ = all_examples(3).T
    assert (evaluate(circuit, all_examples(3)) == np.stack([a ^ b, a & b, a], axis=1)).all()


@settings(max_examples=60, deadline=None)
@given(circuits())
def test_gates_come_back_with_the_same_values(tmp_path_factory, circuit):
    back = Circuit.read(circuit.write(tmp_path_factory.getbasetemp() / "trip.blif"))
    x = all_examples(len(circuit.inputs))
    assert same(circuit, back)
    assert (back.xor == circuit.xor).all()
    assert (node_values(back, x) == node_values(circuit, x)).all()


def test_names_that_can_and_cannot_be_written(blif):
    gate, xor, driver = np.array([[2, 5]], np.uint32), np.array([False]), np.array([6], np.uint32)
    many = tuple(f"signal[{i}]" for i in range(300))
    for inputs, output in [
        (("n1", "n22"), "_n3"),
        (("a[0]", ".b"), "état"),
        (("a", "b"), "x=y"),
        (many, "f"),
    ]:
        circuit = Circuit(inputs, gate, xor, (output,), driver + 2 * (len(inputs) - 2))
        assert same_names_and_gates(Circuit.read(circuit.write(blif(""))), circuit)
    for bad in ("a b", "#a", "a\\", "", "a\tb", "\u2028"):
        with pytest.raises(InputError, match=r"BLIF cannot write the name .* rename it"):
            Circuit((bad, "b"), gate, xor, ("f",), driver).write(blif(""))


def same_names_and_gates(a, b):
    names = a.inputs == b.inputs and a.outputs == b.outputs
    return names and (a.fanins == b.fanins).all() and (a.drivers == b.drivers).all()


def test_an_output_may_have_an_inputs_name_if_it_is_that_input(blif):
    none = np.empty((0, 2), np.uint32), np.empty(0, bool)
    wire = Circuit(("a",), *none, ("a",), np.array([2], np.uint32))
    assert same(wire, Circuit.read(wire.write(blif(""))))
    with pytest.raises(InputError, match="BLIF cannot write an output with an input's name, `a`: rename one"):
        Circuit(("a",), *none, ("a",), np.array([3], np.uint32)).write(blif(""))


HEAD = ".model m\n.inputs a b\n.outputs f\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a `.model` with `.outputs`; is this a BLIF file"),
        ("hello\n", "line 1: 'hello' must stand below a `.names`; is this a BLIF file"),
        (HEAD, "line 3: `f` is read but nothing defines it"),
        (HEAD + ".names a c f\n11 1\n", "line 4: `c` is read but nothing defines it"),
        (HEAD + ".names a f f\n11 1\n", "line 4: `f` depends on itself: a circuit must have no loop"),
        (HEAD + ".names g f\n1 1\n.names f g\n1 1\n", "`f` depends on itself"),
        (HEAD + ".names a f\n1 1\n.names b f\n1 1\n", "line 6: `f` is already defined in line 4: define a"),
        (HEAD + ".names a b\n1 1\n", "line 4: `b` is already defined in line 2"),
        (".model m\n.inputs a a\n", "line 2: `a` is already defined in line 2"),
        (".model m\n.outputs f f\n", "line 2: `f` must be named as an output once"),
        (HEAD + ".outputs f\n", "line 4: `f` must be named as an output once"),
        (HEAD + ".names a b f\n11 1\n00 0\n", "line 6: the rows of one `.names` must all answer 1, or all"),
        (
            HEAD + ".names a b f\n1 1\n",
            "line 5: a row must be 2 of `0 1 -`, a space, and `0` or `1`, not '1 1'",
        ),
        (HEAD + ".names a b f\n1x 1\n", "line 5: a row must be 2 of"),
        (HEAD + ".names a b f\n11 2\n", "line 5: a row must be"),
        (HEAD + ".names a b f\n11 1 1\n", "line 5: a row must be"),
        (HEAD + ".names f\n2\n", "line 5: a row must be `0` or `1`, not '2'"),
        (HEAD + ".names\n", "line 4: `.names` must name at least the signal that it defines"),
        (HEAD + ".latch a f 0\n", "line 4: `.latch` cannot be read: circuits here have no state: .*`comb`"),
        (HEAD + ".subckt and A=a\n", "line 4: `.subckt` cannot be read: write it flat, as Yosys's"),
        (HEAD + ".gate and2 A=a\n", "line 4: `.gate` cannot be read: write gates as `.names`, as ABC's"),
        (HEAD + ".strange\n", "line 4: `.strange` cannot be read: leave it out"),
        (HEAD + ".model n\n", "line 4: one model can be read, and line 1 began one: write it flat"),
        (HEAD + ".names a \\", "line 4: the line goes on, but the file ends here: it is cut off"),
        (b".model m\n.inputs \xff\n", "line 2: must be UTF-8 text; is this a circuit"),
    ],
)
def test_bad_files(blif, text, said):
    path = blif(text)
    with pytest.raises(InputError, match=said) as error:
        Circuit.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.blif"
    whole = random_circuit(data.draw(st.integers(0, 20)), 3, 6, 2).write(path).read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    with suppress(InputError):  # and nothing else
        Circuit.read(path)


def test_what_abc_writes_and_what_it_reads(blif):
    circuit = random_circuit(1, 6, 40, 4)
    ours, aiger, back = circuit.write(blif("")), circuit.write(blif("", "x.aig")), blif("", "back.blif")
    assert "Networks are equivalent" in abc(f"cec {ours} {aiger}")
    for script in ("", "strash; if -K 4;", "strash; dch; renode; sop;", "collapse;"):
        abc(f"read {ours}; {script} write_blif {back}")
        assert same(circuit, Circuit.read(back)), script


def test_what_yosys_writes_and_what_it_reads(blif):
    circuit = random_circuit(2, 5, 30, 3)
    ours, aiger, back = circuit.write(blif("")), circuit.write(blif("", "x.aig")), blif("", "back.blif")
    yosys(
        f"read_blif {ours}; rename rote gold; read_aiger -module_name gate {aiger}; techmap gold; "
        f"miter -equiv -flatten gold gate m; sat -verify -prove trigger 0 m; delete m gate; write_blif {back}"
    )
    assert same_by_name(circuit, Circuit.read(back))
