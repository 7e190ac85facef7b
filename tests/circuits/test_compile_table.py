"""The plain lookup table as gates: it says what was seen, and the default otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.circuit_truth import all_examples, evaluate, node_values
from rote.circuits import answers
from rote.circuits.compile import compile_table
from rote.errors import InputError


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(2, 4), st.data())
def test_the_first_example_that_fits_decides(n, classes, data):
    m = data.draw(st.integers(1, 12))
    X = np.array(data.draw(st.lists(st.booleans(), min_size=m * n, max_size=m * n))).reshape(m, n)
    y = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=m, max_size=m)))
    default = data.draw(st.integers(0, classes - 1))
    circuit = compile_table(X, y, classes=classes, default=default)
    assert circuit.outputs == (("y",) if classes == 2 else tuple(f"class{c}" for c in range(classes)))
    every = all_examples(n)
    out = evaluate(circuit, every)
    for x, said in zip(every, out, strict=True):
        seen = [int(label) for known, label in zip(X, y, strict=True) if (known == x).all()]
        want = seen[0] if seen else default
        assert said.tolist() == ([bool(want)] if classes == 2 else [c == want for c in range(classes)])
    assert np.array_equal(answers(circuit, out)[0], answers(circuit, out[:1])[0])


def test_it_memorises_and_each_comparator_is_true_once():
    draw = np.random.default_rng(0)
    X, y = np.unique(draw.random((40, 12)) < 0.5, axis=0), draw.integers(0, 3, 40)
    y = y[: len(X)]
    y[-1] = 1  # the last is needed
    circuit = compile_table(X, y)
    assert np.array_equal(answers(circuit, evaluate(circuit, X)), y)
    comparators = len(X) * 11
    ones = node_values(circuit, X).sum(axis=0)[circuit.first_gate : circuit.first_gate + comparators]
    assert np.count_nonzero(ones == 1) >= len(X)
    assert circuit.gates < comparators + 3 * len(X)


def test_examples_at_the_end_that_say_the_default_need_no_gates():
    X, y = all_examples(3), [1, 0, 0, 0, 0, 0, 0, 0]
    assert compile_table(X, y).gates == 2
    assert compile_table(X, [0] * 8).gates == 0
    assert compile_table(X, [0] * 8, classes=5).outputs == tuple(f"class{c}" for c in range(5))


@pytest.mark.parametrize(
    ("X", "y", "options", "match"),
    [
        ([[0, 2]], [0], {}, "only 0 and 1"),
        ([[0, 1]], [0, 1], {}, r"Got \[1, 2\] and \[2\]"),
        ([0, 1], [0, 1], {}, r"shape \[m, n\]"),
        (np.zeros((0, 3)), [], {}, "neither empty"),
        (np.zeros((3, 0)), [0, 0, 0], {}, "neither empty"),
        ([[0, 1]], [-1], {}, "numbers, from 0"),
        ([[0, 1]], [0.5], {}, "numbers, from 0. Got float64"),
        ([[0, 1]], [2], {"classes": 2}, "at least 3 and `default` one of them. Got 2 and 0"),
        ([[0, 1]], [1], {"default": 2}, "Got 2 and 2"),
    ],
)
def test_refusals(X, y, options, match):
    with pytest.raises(InputError, match=match):
        compile_table(X, y, **options)
