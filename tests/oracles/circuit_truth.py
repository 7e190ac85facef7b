"""Circuits one example, one gate at a time, in plain Python; and random circuits to try it on."""

import random

import numpy as np
from hypothesis import strategies as st

from rote.circuits import Circuit


def node_values(circuit, x):
    """What every node is on every example: ``[m, nodes]`` bool for bits ``[m, inputs]``."""
    fanins, xor = circuit.fanins.tolist(), circuit.xor.tolist()
    rows = []
    for bits in np.asarray(x, bool).tolist():
        assert len(bits) == len(circuit.inputs)
        values = [False, *bits]
        for (a, b), exclusive in zip(fanins, xor, strict=True):
            left, right = values[a >> 1] != bool(a & 1), values[b >> 1] != bool(b & 1)
            values.append(left != right if exclusive else left and right)
        rows.append(values)
    return np.array(rows, bool).reshape(len(rows), circuit.nodes)


def evaluate(circuit, x):
    """What every output answers on every example: ``[m, outputs]`` bool for bits ``[m, inputs]``."""
    values = node_values(circuit, x)
    answers = [values[:, d >> 1] != bool(d & 1) for d in circuit.drivers.tolist()]
    return np.array(answers, bool).reshape(len(answers), len(values)).T


def all_examples(inputs):
    """Every row of bits, ``[2**inputs, inputs]``; input 0 is the lowest bit of a row's number."""
    numbers = np.arange(1 << inputs)
    return (numbers[:, None] >> np.arange(inputs) & 1).astype(bool)


def same(a, b):
    """Whether two circuits have the same names, in the same order, and answer the same on every example."""
    return a.inputs == b.inputs and a.outputs == b.outputs and same_by_name(a, b)


def same_by_name(a, b):
    """Whether two circuits have the same names, in whatever order, and answer the same on every example."""
    if set(a.inputs) != set(b.inputs) or set(a.outputs) != set(b.outputs):
        return False
    x = all_examples(len(a.inputs))
    reordered = x[:, [a.inputs.index(name) for name in b.inputs]]
    answers = evaluate(b, reordered)[:, [b.outputs.index(name) for name in a.outputs]]
    return bool((evaluate(a, x) == answers).all())


def random_circuit(seed, inputs, gates, outputs, xor=True):
    """A circuit of gates that read anything before them; constants and twice the same fan-in happen."""
    draw = random.Random(seed)
    fanins, kinds = [], []
    for gate in range(gates):
        literals = 2 * (1 + inputs + gate)
        fanins.append([draw.randrange(literals), draw.randrange(literals)])
        kinds.append(xor and draw.random() < 0.4)
    drivers = [draw.randrange(2 * (1 + inputs + gates)) for _ in range(outputs)]
    return Circuit(
        tuple(f"x{i}" for i in range(inputs)),
        np.array(fanins, np.uint32).reshape(gates, 2),
        np.array(kinds, bool),
        tuple(f"y{i}" for i in range(outputs)),
        np.array(drivers, np.uint32),
    )


def circuits(xor=True):
    """Random circuits, the empty ones too, as a strategy."""
    return st.builds(
        random_circuit,
        st.integers(0, 2**32),
        st.integers(0, 5),
        st.integers(0, 12),
        st.integers(0, 4),
        st.just(xor),
    )
