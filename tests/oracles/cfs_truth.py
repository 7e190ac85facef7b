"""Counterfactual simulation example by example and gate by gate, in plain Python, as the paper defines it."""

import numpy as np

from oracles.circuit_truth import node_values


def _walk(circuit, bits, changed):
    """Values of one example; ``changed(node, value, fanins)`` is what a node passes on."""
    values = [False]
    for node, bit in enumerate(bits, 1):
        values.append(changed(node, bit, None))
    gates = zip(circuit.fanins.tolist(), circuit.xor.tolist(), strict=True)
    for node, ((a, b), exclusive) in enumerate(gates, circuit.first_gate):
        left, right = values[a >> 1] != bool(a & 1), values[b >> 1] != bool(b & 1)
        value = left != right if exclusive else left and right
        values.append(changed(node, value, (left, right)))
    return [values[d >> 1] != bool(d & 1) for d in circuit.drivers.tolist()]


def simple(circuit, X, limit, *, inputs=False, outputs=True, counted=None):
    """A signal that takes its l-rare value passes on the opposite one."""
    ones = node_values(circuit, X if counted is None else counted).sum(axis=0)
    m = len(X if counted is None else counted)
    read = {literal >> 1 for pair in circuit.fanins.tolist() for literal in pair}
    left_alone = {d >> 1 for d in circuit.drivers.tolist()} - read

    def changed(node, value, fanins):
        if (fanins is None and not inputs) or (fanins is not None and not outputs and node in left_alone):
            return value
        if ones[node] <= limit:
            return False
        return True if m - ones[node] <= limit else value

    return np.array([_walk(circuit, row, changed) for row in np.asarray(X, bool).tolist()])


def composite(circuit, X, limit, *, unseen=True):
    """A gate whose fan-ins show an l-rare pattern passes on the opposite of its value."""
    values = node_values(circuit, X)
    seen = {}
    for node, (a, b) in enumerate(circuit.fanins.tolist(), circuit.first_gate):
        left, right = values[:, a >> 1] != bool(a & 1), values[:, b >> 1] != bool(b & 1)
        for pattern in zip(left.tolist(), right.tolist(), strict=True):
            seen[node, pattern] = seen.get((node, pattern), 0) + 1

    def changed(node, value, fanins):
        if fanins is None:
            return value
        count = seen.get((node, fanins), 0)
        return value != (count <= limit and (count > 0 or unseen))

    return np.array([_walk(circuit, row, changed) for row in np.asarray(X, bool).tolist()])


def without_rare(circuit, X, limit):
    """Which examples show no l-rare value at any gate."""
    values = node_values(circuit, X)
    ones, m = values.sum(axis=0), len(X)
    free = np.ones(m, bool)
    for node in range(circuit.first_gate, circuit.nodes):
        if ones[node] <= limit:
            free &= ~values[:, node]
        elif m - ones[node] <= limit:
            free &= values[:, node]
    return free


def flipping_one(circuit, X, node, limit):
    """The outputs when one node is flipped where it takes its l-rare value, and which examples these are."""
    values = node_values(circuit, X)[:, node]
    rare = values if values.sum() <= limit else ~values
    rows = []
    for row, here in zip(np.asarray(X, bool).tolist(), rare.tolist(), strict=True):
        rows.append(_walk(circuit, row, lambda n, v, _, here=here: v != (here and n == node)))
    return np.array(rows), rare
