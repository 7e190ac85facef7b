"""The network itself: what it refuses, growing it, stamping copies, bits packed in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import all_examples, circuits, evaluate, node_values, random_circuit
from rote.circuits import FALSE, TRUE, Builder, Circuit, Packed, literal, pack, unpack
from rote.errors import InputError

NO_GATES = (np.empty((0, 2), np.uint32), np.empty(0, np.bool_))


def literals(*values):
    return np.array(values, np.uint32)


def test_an_adder_by_hand():
    fanins = np.array([[2, 4], [2, 4]], np.uint32)
    adder = Circuit(("a", "b"), fanins, np.array([True, False]), ("sum", "carry"), literals(6, 8))
    assert repr(adder) == "Circuit(2 inputs, 2 outputs, 2 gates: 1 AND, 1 XOR)"
    assert (adder.gates, adder.nodes, adder.first_gate) == (2, 5, 3)
    assert evaluate(adder, all_examples(2)).tolist() == [[0, 0], [1, 0], [1, 0], [0, 1]]
    assert node_values(adder, [[True, False]]).tolist() == [[False, True, False, True, False]]


def test_arrays_cannot_be_changed():
    circuit = random_circuit(0, 3, 5, 2)
    for array in (circuit.fanins, circuit.xor, circuit.drivers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fanins": np.zeros((1, 2), np.int64)}, r"`fanins` must be uint32 of shape .* Got int64 \(1, 2\)"),
        ({"fanins": np.zeros((1, 3), np.uint32)}, r"Got uint32 \(1, 3\)"),
        ({"fanins": np.zeros(2, np.uint32)}, r"Got uint32 \(2,\)"),
        ({"xor": np.zeros(1, np.uint8)}, r"`xor` must be bool of shape \[1\]. Got uint8 \(1,\)"),
        ({"xor": np.zeros(2, np.bool_)}, r"Got bool \(2,\)"),
        ({"drivers": np.zeros(1, np.int32)}, r"`drivers` must be uint32 of shape \[1\]. Got int32 \(1,\)"),
        ({"drivers": literals(1, 1)}, r"Got uint32 \(2,\)"),
        ({"inputs": ("a", "b", "a")}, "`inputs` must have different names. `a` stands twice"),
        ({"outputs": ("f", "f"), "drivers": literals(0, 0)}, "`outputs` must .* `f` stands twice"),
        ({"drivers": literals(8)}, "Output `f` reads node 4, but there are 4 nodes"),
        ({"fanins": np.array([[2, 6]], np.uint32)}, "Gate 3 reads node 3: a gate must stand after"),
        ({"fanins": np.array([[9, 0]], np.uint32)}, "Gate 3 reads node 4: a gate must stand after"),
    ],
)
def test_what_is_no_circuit(change, said):
    whole = {
        "inputs": ("a", "b"),
        "fanins": np.array([[2, 4]], np.uint32),
        "xor": np.zeros(1, np.bool_),
        "outputs": ("f",),
        "drivers": literals(6),
    }
    Circuit(**whole)
    with pytest.raises(InputError, match=said):
        Circuit(**whole | change)


def test_a_name_that_stands_twice_is_found_quickly():
    names = (*(f"x{i}" for i in range(50_000)), "x49999")
    with pytest.raises(InputError, match="`x49999` stands twice"):
        Circuit(names, *NO_GATES, (), literals())


def test_literals_of_nodes():
    assert (literal(0), literal(0, True), literal(5), literal(5, complement=True)) == (FALSE, TRUE, 10, 11)


TWO = [(a, b) for a in range(6) for b in range(6)]  # every pair of literals of the constant and two inputs


@pytest.mark.parametrize("gate", ["and_", "xor_", "or_"])
def test_gates_of_every_pair_one_at_a_time_and_all_at_once(gate):
    alone, together = Builder(["a", "b"]), Builder(["a", "b"])
    one = np.array([getattr(alone, gate)(a, b) for a, b in TWO])
    a, b = np.array(TWO).T
    many = getattr(together, gate)(a, b)
    assert many.dtype == np.uint32
    assert alone.gates == together.gates == 8  # of constants and of twice the same there is none
    want = {"and_": np.logical_and, "or_": np.logical_or, "xor_": np.logical_xor}[gate]
    x = all_examples(2)
    values = np.stack([np.zeros(4, bool), *x.T])
    truth = want(*(values[p >> 1] ^ (p & 1).astype(bool)[:, None] for p in (a, b)))
    for build, made in ((alone, one), (together, many)):
        assert (truth == evaluate(build.finish({"f": made}), x).T).all()


def test_mux_and_not():
    build = Builder(["s", "a", "b"])
    s, a, b = build.literals
    circuit = build.finish({"mux": build.mux(s, a, b), "not": build.not_(a)})
    x = all_examples(3)
    assert (evaluate(circuit, x)[:, 0] == np.where(x[:, 0], x[:, 1], x[:, 2])).all()
    assert (evaluate(circuit, x)[:, 1] == ~x[:, 1]).all()
    assert Builder(["s", "a"]).mux(1, 4, 2).tolist() == 4


def test_shapes_broadcast():
    build = Builder([f"x{i}" for i in range(6)])
    rows = build.literals.reshape(2, 3)
    assert build.and_(rows, rows[:, :1]).tolist() == [[2, 14, 16], [8, 18, 20]]
    assert build.xor_(rows, 1).tolist() == (rows ^ 1).tolist()
    assert build.and_(np.empty((0, 3), np.uint32), rows[0]).shape == (0, 3)


def test_words_get_names_bit_by_bit():
    build = Builder(["a", "b"])
    circuit = build.finish({"w": build.literals, "one": TRUE, "none": literals()})
    assert circuit.outputs == ("w[0]", "w[1]", "one")
    assert circuit.drivers.tolist() == [2, 4, 1]
    assert Builder([]).finish({}).nodes == 1


def test_a_finished_circuit_is_not_changed_by_building_on():
    build = Builder(["a", "b"])
    first = build.finish({"f": build.and_(2, 4)})
    build.xor_(2, 4)
    build.append(np.full((100, 2), 2, np.uint32), False)
    assert (first.gates, build.gates, build.nodes) == (1, 102, 105)
    assert build.finish({"f": 6}).fanins[0].tolist() == first.fanins[0].tolist()


def test_too_many_nodes():
    build = Builder(["a"])
    many = np.broadcast_to(np.uint32(0), (1 << 31, 2))  # takes no memory
    with pytest.raises(InputError, match=r"at most 2,147,483,648 nodes: this one would have 2,147,483,650"):
        build.append(many, False)


@settings(max_examples=40, deadline=None)
@given(circuits(), st.integers(0, 3), st.data())
def test_stamped_copies_answer_as_the_template(template, n, data):
    build = Builder(["p", "q", "r"])
    build.append(literals(2, 5)[None], True)
    width = len(template.inputs)
    given_ = [data.draw(st.integers(0, 2 * build.nodes - 1)) for _ in range(n * width)]
    inputs = np.array(given_, np.uint32).reshape(n, width)
    made = build.stamp(template, inputs)
    assert made.shape == (n, len(template.outputs))
    assert build.gates == 1 + n * template.gates
    whole = build.finish({"f": made.ravel()})
    values = node_values(whole, all_examples(3))
    got = evaluate(whole, all_examples(3)).reshape(8, n, len(template.outputs))
    for copy in range(n):
        x = values[:, inputs[copy] >> 1] ^ (inputs[copy] & 1).astype(bool)
        assert (got[:, copy] == evaluate(template, x.reshape(8, width))).all()


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([0, 1, 63, 64, 65, 200]), st.integers(0, 9), st.integers(0, 2**32))
def test_packing_and_back(m, signals, seed):
    X = np.random.default_rng(seed).random((m, signals)) < 0.5
    packed = pack(X)
    assert (packed.m, packed.words.shape) == (m, (signals, -(-m // 64)))
    assert (unpack(packed) == X).all()
    numbers = [sum(int(bit) << i for i, bit in enumerate(column)) for column in X.T]
    assert [sum(int(word) << 64 * i for i, word in enumerate(row)) for row in packed.words] == numbers
    for first, last in ((0, m), (64, m), (0, 70), (128, 1000)):
        if first <= m:
            assert (unpack(packed.examples(first, last)) == X[first:last]).all()


def test_packing_bytes_counts_what_is_not_0():
    assert unpack(pack(np.array([[0, 1, 255]], np.uint8))).tolist() == [[False, True, True]]


def test_a_part_of_the_examples_has_no_other_bits():
    part = pack(np.ones((100, 1), bool)).examples(64, 70)
    assert part.words.tolist() == [[63]]


def test_what_is_not_packed():
    with pytest.raises(InputError, match="`words` must be uint64 of 2 words a row for 65 examples"):
        Packed(np.zeros((3, 1), np.uint64), 65)
    with pytest.raises(InputError, match=r"`first` must be a multiple of 64\. Got 3"):
        pack(np.ones((100, 1), bool)).examples(3, 9)
