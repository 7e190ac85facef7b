"""Counterfactual simulation one example, one gate at a time, as the paper defines it."""

import numpy as np


def perturbed(circuit, x, change):
    """Outputs ``[m, outputs]``, where ``change(gate, a, b, value)`` says what a gate passes on."""
    fanins, xor = circuit.fanins.tolist(), circuit.xor.tolist()
    rows = []
    for example, bits in enumerate(np.asarray(x, bool).tolist()):
        values = [False, *bits]
        for gate, ((f, g), exclusive) in enumerate(zip(fanins, xor, strict=True)):
            a, b = values[f >> 1] != bool(f & 1), values[g >> 1] != bool(g & 1)
            value = a != b if exclusive else a and b
            values.append(bool(change(example, gate, (a, b), value)))
        rows.append([values[d >> 1] != bool(d & 1) for d in circuit.drivers.tolist()])
    return np.array(rows, bool).reshape(len(rows), len(circuit.outputs))


def counted(circuit, x):
    """For each gate, how often it takes each value, and how often its fan-ins each pattern."""
    values = [{False: 0, True: 0} for _ in range(circuit.gates)]
    patterns = [{} for _ in range(circuit.gates)]

    def watch(_, gate, pattern, value):
        values[gate][value] += 1
        patterns[gate][pattern] = patterns[gate].get(pattern, 0) + 1
        return value

    perturbed(circuit, x, watch)
    return values, patterns


def simple(circuit, x, seen, limit, spared=frozenset()):
    """A gate that takes its l-rare value passes on the opposite; of two rare values, 1 is tested first."""
    values, _ = counted(circuit, seen)

    def change(_, gate, __, value):
        if gate in spared:
            return value
        if values[gate][True] <= limit:
            return False
        return True if values[gate][False] <= limit else value

    return perturbed(circuit, x, change)


def composite(circuit, x, seen, limit, unseen=True):
    """A gate whose fan-ins have an l-rare pattern passes on the opposite."""
    _, patterns = counted(circuit, seen)

    def change(_, gate, pattern, value):
        count = patterns[gate].get(pattern, 0)
        return value != (count <= limit and (unseen or count > 0))

    return perturbed(circuit, x, change)


def rare_free(circuit, x, limit):
    """Which examples give no gate a value that at most ``limit`` of them give it."""
    values, _ = counted(circuit, x)
    free = [True] * len(x)

    def change(example, gate, _, value):
        free[example] = free[example] and values[gate][value] > limit
        return value

    perturbed(circuit, x, change)
    return np.array(free, bool)


def flipped(circuit, x, where):
    """Gates of examples, pairs ``(gate, example)``, pass on the opposite, as often as they stand there."""
    return perturbed(circuit, x, lambda example, gate, _, value: value ^ (where.count((gate, example)) % 2))
