"""One function, several structures: what is rare in each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import all_examples, evaluate, node_values
from rote.circuits import Builder, answers
from rote.circuits.compile import balanced_tree, compile_table, minterms, parity
from rote.errors import InputError


def rarity(circuit, X):
    """On how few of the examples each gate takes its rarer value."""
    values = node_values(circuit, X)[:, circuit.first_gate :]
    ones = values.sum(axis=0)
    return np.minimum(ones, len(X) - ones)


def after(circuit, X, limit):
    """What the outputs say once every gate's rare values are replaced, gate by gate: Simple CFS."""
    ones = node_values(circuit, X).sum(axis=0)
    values = [np.zeros(len(X), bool), *X.T]
    for gate, ((a, b), xor) in enumerate(zip(circuit.fanins.tolist(), circuit.xor.tolist(), strict=True)):
        x, y = values[a >> 1] ^ bool(a & 1), values[b >> 1] ^ bool(b & 1)
        count = ones[circuit.first_gate + gate]
        value = np.full(len(X), count > limit) if min(count, len(X) - count) <= limit else None
        values.append((x ^ y if xor else x & y) if value is None else value)
    return np.array([values[d >> 1] ^ bool(d & 1) for d in circuit.drivers.tolist()]).T


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_parity_is_parity_and_nothing_in_it_is_rare(n):
    circuit, every = parity(n), all_examples(n)
    assert np.array_equal(evaluate(circuit, every)[:, 0], every.sum(axis=1) % 2 == 1)
    assert circuit.gates == 3 * ((1 << (n - 1)) - 1)
    assert (rarity(circuit, every) >= (1 << n) // 4).all()
    assert np.array_equal(after(circuit, every, (1 << n) // 8), evaluate(circuit, every))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4).flatmap(lambda n: st.lists(st.booleans(), min_size=1 << n, max_size=1 << n)))
def test_minterms_are_the_function(table):
    n = len(table).bit_length() - 1
    circuit = minterms(table)
    assert evaluate(circuit, all_examples(n))[:, 0].tolist() == table


def test_a_wire_and_its_minterms():
    """The example of section 6: one function, which survives as a wire and not as minterms."""
    every = all_examples(3)
    as_terms = minterms(every[:, 0])
    build = Builder(["x0", "x1", "x2"])
    wire = build.finish({"y": build.literals[0]})
    assert np.array_equal(evaluate(as_terms, every), evaluate(wire, every))
    assert np.array_equal(after(wire, every, 1), evaluate(wire, every))
    assert not after(as_terms, every, 1).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(2, 4), st.data())
def test_a_balanced_tree_fits_what_can_be_fitted(n, classes, data):
    m = data.draw(st.integers(1, 20))
    X = np.array(data.draw(st.lists(st.booleans(), min_size=m * n, max_size=m * n))).reshape(m, n)
    y = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=m, max_size=m)))
    circuit = balanced_tree(X, y)
    said = answers(circuit, evaluate(circuit, X))
    for x, label in zip(X, said, strict=True):
        equal = np.bincount(y[(x == X).all(axis=1)])
        assert equal[label] == equal.max()
        assert label == equal.argmax()


def test_memorised_noise_survives_in_a_balanced_tree_and_not_in_a_table():
    draw = np.random.default_rng(0)
    X, y = np.unique(draw.random((150, 12)) < 0.5, axis=0), draw.integers(0, 2, 150)
    y = y[: len(X)]
    tree, table = balanced_tree(X, y), compile_table(X, y)
    for circuit in (tree, table):
        assert np.array_equal(evaluate(circuit, X)[:, 0], y)
    assert (after(tree, X, 1)[:, 0] == y).mean() > 0.98
    assert not after(table, X, 1).any()


def test_refusals():
    with pytest.raises(InputError, match=r"2\^n answers. Got shape \[3\]"):
        minterms([0, 1, 1])
    with pytest.raises(InputError, match=r"2\^n answers. Got shape \[0\]"):
        minterms([])
    with pytest.raises(InputError, match="only 0 and 1"):
        balanced_tree([[3]], [0])
