"""Circuits taken apart and put together compute what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import all_examples, circuits, evaluate, node_values, random_circuit
from rote._native import _circuit_twins as twins
from rote._native import circuit_levels, circuit_mark, circuit_rewrite
from rote.circuits import Builder, Circuit
from rote.circuits._structure import rewritten, tables
from rote.errors import InputError


def same_functions(left, right):
    assert left.inputs == right.inputs
    x = all_examples(len(left.inputs))
    np.testing.assert_array_equal(evaluate(left, x), evaluate(right, x))


@settings(max_examples=50)
@given(circuits())
def test_levels_are_the_longest_paths(circuit):
    assert circuit.levels[: circuit.first_gate].tolist() == [0] * circuit.first_gate
    for gate, (a, b) in enumerate((circuit.fanins >> 1).tolist()):
        assert circuit.levels[circuit.first_gate + gate] == 1 + max(circuit.levels[[a, b]])
    assert circuit.depth == max(circuit.levels)
    assert not circuit.levels.flags.writeable


@settings(max_examples=50)
@given(circuits())
def test_a_cone_keeps_what_is_needed_and_nothing_else(circuit):
    whole = circuit.cone()
    same_functions(whole, circuit)
    read = {d >> 1 for d in whole.drivers.tolist()} | {f >> 1 for f in whole.fanins.ravel().tolist()}
    assert read >= set(range(whole.first_gate, whole.nodes))
    for i, name in enumerate(circuit.outputs):
        one = circuit.cone([name])
        assert one.outputs == (name,)
        x = all_examples(len(circuit.inputs))
        np.testing.assert_array_equal(evaluate(one, x)[:, 0], evaluate(circuit, x)[:, i])
        np.testing.assert_array_equal(one.fanins, circuit.cone([i]).fanins)


@settings(max_examples=50)
@given(circuits())
def test_without_xor_there_is_none(circuit):
    plain = circuit.without_xor()
    assert not plain.xor.any()
    assert plain.gates == circuit.gates + 2 * circuit.xor.sum()
    same_functions(plain, circuit)


@settings(max_examples=50)
@given(circuits())
def test_shared_gates_differ_and_read_no_constant(circuit):
    once = circuit.shared()
    same_functions(once, circuit)
    assert once.gates <= circuit.gates
    gates = [(*sorted(f), x) for f, x in zip(once.fanins.tolist(), once.xor.tolist(), strict=True)]
    assert len(set(gates)) == len(gates)
    assert all(a > 1 and a >> 1 != b >> 1 for a, b, _ in gates)
    assert not any(x and (a | b) & 1 for a, b, x in gates)


def test_sharing_finds_what_is_written_twice():
    build = Builder(["a", "b"])
    a, b = build.literals
    twice = build.xor_(build.and_(a, b), build.and_(b, a))
    also = build.xor_(build.xor_(a, b), build.xor_(build.not_(b), a))
    circuit = build.finish({"never": twice, "always": also})
    assert circuit.gates == 6
    assert circuit.shared().cone().drivers.tolist() == [0, 1]


@settings(max_examples=50)
@given(circuits(), st.randoms(use_true_random=False))
def test_rewriting_gives_every_gate_its_function(circuit, draw):
    functions = np.array([draw.randrange(16) for _ in range(circuit.gates)], np.uint8)
    x = all_examples(len(circuit.inputs))
    values = [np.zeros(len(x), bool), *x.T]
    for (a, b), table in zip(circuit.fanins.tolist(), functions.tolist(), strict=True):
        pattern = (values[a >> 1] ^ bool(a & 1)) + 2 * (values[b >> 1] ^ bool(b & 1))
        values.append((table >> pattern & 1).astype(bool))
    want = [values[d >> 1] ^ bool(d & 1) for d in circuit.drivers.tolist()]
    for share in (False, True):
        got = evaluate(rewritten(circuit, functions, share=share), x)
        np.testing.assert_array_equal(got.T, np.array(want, bool).reshape(got.T.shape))


@settings(max_examples=50)
@given(circuits(), st.integers(0, 2**32), st.booleans())
def test_composition_feeds_one_circuit_into_the_next(first, seed, constant):
    then = random_circuit(seed, len(first.outputs), 9, 3)
    if constant and first.outputs:
        first = Circuit(first.inputs, first.fanins, first.xor, first.outputs, first.drivers * 0 + 1)
    both = first >> then
    x = all_examples(len(first.inputs))
    np.testing.assert_array_equal(evaluate(both, x), evaluate(then, evaluate(first, x)))
    assert both.inputs == first.inputs
    assert both.outputs == then.outputs
    assert (both.fanins[first.gates :] > 1).all()
    if constant and first.outputs:
        assert both.gates == first.gates


@settings(max_examples=50)
@given(circuits(), st.integers(0, 2**32))
def test_side_by_side_inputs_of_one_name_are_one(left, seed):
    right = random_circuit(seed, 3, 7, 2)
    right = Circuit(("p", "x1", "q"), right.fanins, right.xor, ("f", "g"), right.drivers)
    both = left | right
    assert both.inputs == tuple(dict.fromkeys([*left.inputs, "p", "x1", "q"]))
    assert both.outputs == (*left.outputs, "f", "g")
    x = all_examples(len(both.inputs))
    column = {name: x[:, i] for i, name in enumerate(both.inputs)}
    parts = [
        evaluate(c, np.array([column[name] for name in c.inputs], bool).reshape(-1, len(x)).T)
        for c in (left, right)
    ]
    np.testing.assert_array_equal(evaluate(both, x), np.concatenate(parts, axis=1))


@settings(max_examples=50)
@given(circuits(), st.booleans(), st.randoms(use_true_random=False))
def test_the_passes_agree_with_their_twins(circuit, share, draw):
    inputs, fanins = len(circuit.inputs), circuit.fanins
    np.testing.assert_array_equal(circuit_levels(inputs, fanins), twins.levels(inputs, fanins))
    marks = np.array([draw.random() < 0.2 for _ in range(circuit.nodes)], np.uint8)
    by_twin = marks.copy()
    circuit_mark(inputs, fanins, marks)
    twins.mark(inputs, fanins, by_twin)
    np.testing.assert_array_equal(marks, by_twin)
    start = np.array([0, *(draw.randrange(12) for _ in range(inputs))], np.uint32)
    functions = np.array([draw.randrange(16) for _ in range(circuit.gates)], np.uint8)
    for functions_now in (functions, tables(circuit)):
        given_now = start, fanins, functions_now, 6, share
        for got, want in zip(circuit_rewrite(*given_now), twins.rewrite(*given_now), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)


def test_unchanged_gates_stay_as_they_are():
    build = Builder([f"x{i}" for i in range(6)])
    word = build.xor_(build.literals[:3], build.not_(build.literals[3:]))
    circuit = build.finish({"f": build.and_(word, build.not_(build.literals[3:]))})
    again = rewritten(circuit, tables(circuit))
    np.testing.assert_array_equal(again.fanins, circuit.fanins)
    np.testing.assert_array_equal(again.drivers, circuit.drivers)
    assert node_values(again, all_examples(6)).shape[1] == circuit.nodes


PAIR = Builder(["a", "b"]).finish({"f": 4, "g": 3})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: PAIR.cone(["h"]), r"names or indices of the circuit's 2 outputs. Got 'h'"),
        (lambda: PAIR.cone([2]), "Got 2"),
        (lambda: PAIR.cone([-1]), "Got -1"),
        (lambda: PAIR >> PAIR.cone(["f"]) >> PAIR, "as many outputs of a as b has inputs. Got 1 and 2"),
        (lambda: PAIR | PAIR, "Both have `f`"),
    ],
)
def test_what_does_not_fit_is_said(call, said):
    with pytest.raises(InputError, match=said):
        call()
