"""Counterfactual simulation: a circuit whose rare signals are not what they were.

A value of a signal is *l-rare* if the signal takes it on at most l examples; counts come from a plain
simulation of all of them. Chatterjee and Mishchenko (2020), "Circuit-Based Intrinsic Methods to Detect
Overfitting", section 2. Signals are gates; a switch adds the primary inputs.
"""

import numpy as np
from numpy.typing import NDArray

from rote.circuits._chance import noise, random
from rote.circuits._circuit import Circuit
from rote.circuits._happening import flipped, rare_free
from rote.circuits._packed import Packed
from rote.circuits._schedule import program
from rote.circuits._simulate import Progress, checked, run
from rote.circuits._structure import rewritten, tables

__all__ = ["composite", "flipped", "noise", "pattern_counts", "random", "rare_free", "simple"]

_CHUNK = 1 << 17  # gates whose patterns are counted at once


def simple(
    circuit: Circuit,
    X: Packed,
    ones: NDArray[np.integer],
    m: int,
    limit: int,
    *,
    inputs: bool = False,
    outputs: bool = True,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> Packed:
    """Outputs where a signal never takes its l-rare value: it is a constant.

    So it is a plain simulation of a smaller circuit, in which the constants are propagated.

    Args:
        circuit: The circuit.
        X: Examples, packed.
        ones: On how many of all examples each node is 1, ``[nodes]``.
        m: How many examples were counted.
        limit: l.
        inputs: Whether primary inputs are signals too.
        outputs: Whether gates that drive outputs and nothing else are signals.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Packed rows of outputs.
    """
    examples = checked(circuit, X, threads, ones)
    functions = tables(circuit)
    alone = np.zeros(circuit.gates, np.bool_) if outputs else ~_read_by_gates(circuit)
    of_gates = ones[circuit.first_gate :]
    functions[(m - of_gates <= limit) & ~alone] = 0b1111
    functions[(of_gates <= limit) & ~alone] = 0b0000
    start = np.arange(0, 2 * circuit.first_gate, 2, dtype=np.uint32)
    if inputs:
        of_inputs = ones[: circuit.first_gate]
        start[m - of_inputs <= limit] = 1
        start[of_inputs <= limit] = 0
    smaller = rewritten(circuit, functions, start)
    how = program(smaller, keep=False)
    return run(smaller, how, examples, threads=threads, on_progress=on_progress)[0]


def composite(
    circuit: Circuit,
    X: Packed,
    ones: NDArray[np.integer],
    m: int,
    limit: int,
    *,
    unseen: bool = True,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> Packed:
    """Outputs where a gate whose two fan-ins have an l-rare pattern answers the opposite.

    So every gate has another function of its two fan-ins, and it is a plain simulation of those.

    Args:
        circuit: The circuit.
        X: Examples, packed.
        ones: On how many of all examples each node is 1, ``[nodes]``.
        m: How many examples were counted.
        limit: l.
        unseen: Whether a pattern that no example has counts as rare.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Packed rows of outputs.
    """
    examples = checked(circuit, X, threads, ones)
    functions = tables(circuit)
    for first in range(0, circuit.gates, _CHUNK):
        part = slice(first, min(first + _CHUNK, circuit.gates))
        counts = pattern_counts(circuit, ones, m, part)
        rare = (counts <= limit) & (unseen | (counts > 0))
        functions[part] ^= np.packbits(rare, axis=1, bitorder="little")[:, 0]
    other = rewritten(circuit, functions)
    return run(other, program(other, keep=False), examples, threads=threads, on_progress=on_progress)[0]


def pattern_counts(
    circuit: Circuit, ones: NDArray[np.integer], m: int, part: slice = slice(None)
) -> NDArray[np.int64]:
    """How many examples give a gate's fan-ins, complements included, the values 00, 10, 01 and 11.

    Args:
        circuit: The circuit.
        ones: On how many examples each node is 1, ``[nodes]``.
        m: How many examples were counted.
        part: Which gates; all unless told otherwise.

    Returns:
        Shape ``[gates, 4]``: pattern ``a + 2 b`` of fan-ins a and b.
    """
    literals = circuit.fanins[part]
    of = np.asarray(ones, np.int64)[literals >> 1]
    a, b = np.where(literals & 1, m - of, of).T
    own = np.asarray(ones[circuit.first_gate :][part], np.int64)
    both = np.where(circuit.xor[part], (a + b - own) // 2, own)
    return np.stack([m - a - b + both, a - both, b - both, both], axis=1)


def _read_by_gates(circuit: Circuit) -> NDArray[np.bool_]:
    read = np.zeros(circuit.nodes, np.bool_)
    read[circuit.fanins >> 1] = True
    return read[circuit.first_gate :]
