"""Bench files: gates of every kind, luts as ABC writes them, round trips, what is refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_files import abc, damaged
from oracles.circuit_truth import all_examples, circuits, evaluate, node_values, random_circuit, same
from rote.circuits import Circuit
from rote.errors import InputError


@pytest.fixture
def bench(written):
    return lambda text, name="net.bench": written(text, name)


HEAD = "# c17\nINPUT(a)\nINPUT( b )\n\nINPUT(c)\nOUTPUT(f)\n"
a, b, c = all_examples(3).T


@pytest.mark.parametrize(
    ("lines", "truth"),
    [
        ("f = AND(a, b, c)", a & b & c),
        ("f=nand(a,b)", ~(a & b)),
        ("f = OR(a, b,c)", a | b | c),
        ("f = NOR(a, b)", ~(a | b)),
        ("f = XOR(a, b, c)", a ^ b ^ c),
        ("f = XNOR(a, b)", ~(a ^ b)),
        ("f = NOT(g)\ng = BUFF(c)", ~c),
        ("f = BUF(c)", c),
        ("f = AND(h, g)\nh = OR(g, b)\ng = NOT(a)", ~a),  # g is waited for twice
        ("f = vdd", a | ~a),
        ("f = gnd", a & ~a),
        ("f = LUT 0x8 ( a, b )", a & b),
        ("f        = LUT 0x2 ( a, b )", a & ~b),  # entry 1: a, the lowest bit, is 1
        ("f = LUT 0xCA ( a, b, c )", np.where(c, b, a)),
        ("f = LUT 0x0 ( a )", a & ~a),
        ("f = LUT 0x1 ()", a | ~a),
    ],
)
def test_gates(bench, lines, truth):
    circuit = Circuit.read(bench(f"{HEAD}{lines} # a comment\n"))
    assert (evaluate(circuit, all_examples(3))[:, 0] == truth).all()


@settings(max_examples=60, deadline=None)
@given(circuits().filter(lambda circuit: circuit.outputs))
def test_gates_come_back_as_they_were(tmp_path_factory, circuit):
    back = Circuit.read(circuit.write(tmp_path_factory.getbasetemp() / "trip.bench"))
    x = all_examples(len(circuit.inputs))
    assert same(circuit, back)
    assert (node_values(back, x) == node_values(circuit, x)).all()
    assert (back.fanins == circuit.fanins).all()


def test_names_that_cannot_be_written(bench):
    none = np.empty((0, 2), np.uint32), np.empty(0, bool)
    for bad in ("a b", "f(x)", "a,b", "a=b", "#", ""):
        with pytest.raises(InputError, match="A bench file cannot write the name"):
            Circuit((bad,), *none, ("f",), np.array([3], np.uint32)).write(bench(""))
    with pytest.raises(InputError, match="A bench file cannot write an output with an input's name"):
        Circuit(("a",), *none, ("a",), np.array([3], np.uint32)).write(bench(""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name an `OUTPUT…`; is this a bench file"),
        ("INPUT(a)\n", "must name an `OUTPUT"),
        ("what\n", "line 1: must be `INPUT.a.`, `OUTPUT.f.` or `f = AND.a, b.`, not 'what'"),
        ("INPUT(a b)\n", "line 1: must be `INPUT"),
        (HEAD, "line 6: `f` is read but nothing defines it"),
        (HEAD + "f = AND(a, d)\n", "line 7: `d` is read but nothing defines it"),
        (HEAD + "f = NOT(f)\n", "line 7: `f` depends on itself"),
        (HEAD + "f = NOT(a)\nf = NOT(b)\n", "line 8: `f` is already defined in line 7"),
        (HEAD + "a = NOT(b)\n", "line 7: `a` is already defined in line 2"),
        (HEAD + "OUTPUT(f)\n", "line 7: `f` must be named as an output once"),
        (HEAD + "f = DFF(a)\n", "line 7: `DFF` cannot be read: circuits here have no state"),
        (HEAD + "f = MAJ(a, b, c)\n", "line 7: `MAJ` cannot be read: AND, NAND, .* and LUT can"),
        (HEAD + "f = NOT(a, b)\n", "line 7: a gate of kind `not` cannot have 2 fan-ins"),
        (HEAD + "f = AND()\n", "line 7: a gate of kind `and` cannot have 0 fan-ins"),
        (HEAD + "f = LUT 0x10 ( a, b )\n", "line 7: a lut must have at most 8 fan-ins and 2.fan-ins bits"),
        (HEAD + "f = LUT 0x1 ( a, a, a, a, a, a, a, a, a )\n", "line 7: a lut must .*, not 9 fan-ins"),
        (b"INPUT(\xff)\n", "line 1: must be UTF-8 text"),
    ],
)
def test_bad_files(bench, text, said):
    path = bench(text)
    with pytest.raises(InputError, match=said.replace("OUTPUT…", r"OUTPUT\(…\)")) as error:
        Circuit.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.bench"
    whole = random_circuit(data.draw(st.integers(0, 20)), 3, 6, 2).write(path).read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    with suppress(InputError):  # and nothing else
        Circuit.read(path)


def test_what_abc_writes_and_what_it_reads(bench):
    circuit = random_circuit(1, 6, 40, 4)
    ours, aiger, back = circuit.write(bench("")), circuit.write(bench("", "x.aig")), bench("", "back.bench")
    assert "Networks are equivalent" in abc(f"cec {ours} {aiger}")
    for script in ("write_bench", "strash; write_bench -l", "strash; if -K 4; write_bench"):
        abc(f"read {ours}; {script} {back}")
        assert same(circuit, Circuit.read(back)), script
