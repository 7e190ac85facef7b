"""What happens to single signals in the midst of a simulation: some are watched, some are changed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rote._native import Program, circuit_simulate
from rote.circuits._circuit import Circuit
from rote.circuits._packed import Packed, unpack
from rote.circuits._schedule import program
from rote.circuits._simulate import Progress, checked, run, shards
from rote.errors import InputError

# Events, as `simulate.hpp` numbers them.
GATHER, FLIP, MAYBE_ZERO, MAYBE_ONE, RANDOM_BIT = range(2, 7)


def with_events(
    how: Program, gates: NDArray[np.integer], kind: NDArray[np.integer], what: NDArray[np.integer]
) -> Program:
    """A program of all gates in which more happens: right after each of ``gates`` its value is changed."""
    more = np.empty((len(gates), 4), np.uint32)
    more[:, 0] = gates + 1
    more[:, 1] = kind
    more[:, 2] = how.code[gates, 2] >> 1
    more[:, 3] = what
    events = np.concatenate([more, how.events])  # before a slot is stored or taken again
    return replace(how, events=events[np.argsort(events[:, 0], kind="stable")])


def rare_free(
    circuit: Circuit,
    X: Packed,
    ones: NDArray[np.integer],
    m: int,
    limits: Sequence[int],
    *,
    inputs: bool = False,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Which examples give no signal an l-rare value, for several l in one pass.

    Args:
        circuit: The circuit.
        X: Examples, packed.
        ones: On how many of all examples each node is 1, ``[nodes]``.
        m: How many examples were counted.
        limits: Each l, in any order.
        inputs: Whether primary inputs are signals too.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Shape ``[limits, m of X]``, bool.
    """
    examples = checked(circuit, X, threads, ones)
    rising = np.unique(np.asarray(limits, np.int64))
    rare = np.zeros(
        (len(rising), examples.words.shape[1]), np.uint64
    )  # rows: up to this limit, not the one before
    plain = replace(circuit, outputs=(), drivers=np.empty(0, np.uint32))
    found = [(i, 2 * row + zero) for i, row, zero in _rare_values(ones[circuit.first_gate :], m, rising)]
    gates, what = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    how = with_events(program(plain, keep=True), gates, np.full(len(gates), GATHER), what)
    none = np.zeros(0, np.uint32)
    for span in shards(circuit.gates, examples.m):
        circuit_simulate(how, examples.words, rare, none, m=examples.m, span=span, threads=threads)
        if on_progress:
            on_progress(min(64 * span[1], examples.m), examples.m)
    if inputs:
        for rows, limit, zero in _rare_values(ones[1 : circuit.first_gate], m, rising):
            for i, row in zip(rows, limit, strict=True):
                rare[row] |= examples.words[i] ^ (~np.uint64(0) if zero else np.uint64(0))
    rare = np.bitwise_or.accumulate(rare, axis=0)
    free = ~unpack(Packed(rare, examples.m)).T
    return free[np.searchsorted(rising, limits)]


def _rare_values(
    ones: NDArray[np.integer], m: int, limits: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], int]]:
    """Signals that take a value that is rare at some limit: which, from which limit on, and if it is 0."""
    for zero, counts in enumerate((ones, m - ones)):
        rows = np.flatnonzero((counts > 0) & (counts <= limits.max(initial=0)))
        yield rows, np.searchsorted(limits, counts[rows]), zero


def flipped(
    circuit: Circuit,
    X: Packed,
    nodes: NDArray[np.integer],
    lanes: NDArray[np.integer],
    *,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> Packed:
    """Outputs where node ``nodes[p]`` has the opposite value on example ``lanes[p]``, for every p.

    How much does a signal matter? Take the examples that give it its rare value, and flip it there.

    Args:
        circuit: The circuit.
        X: Examples, packed; one may stand there many times.
        nodes: Inputs or gates, ``[p]``.
        lanes: Examples of ``X``, ``[p]``.
        threads: Threads to use.
        on_progress: Told how many examples are done, of how many.

    Returns:
        Packed rows of outputs.

    Raises:
        InputError: If a node is no input or gate, or an example is not there.
    """
    examples = checked(circuit, X, threads)
    nodes, lanes = np.asarray(nodes, np.int64), np.asarray(lanes, np.int64)
    if nodes.size and not 1 <= nodes.min() <= nodes.max() < circuit.nodes:
        raise InputError(
            f"`nodes` must be from 1 to {circuit.nodes - 1}, inputs or gates. "
            f"Got {nodes.min()} to {nodes.max()}."
        )
    if lanes.shape != nodes.shape or (lanes.size and not 0 <= lanes.min() <= lanes.max() < examples.m):
        raise InputError(f"`lanes` must name one of the {examples.m:,} examples for each of `nodes`.")
    of_gate = nodes >= circuit.first_gate
    if not of_gate.all():
        words = examples.words.copy()
        rows, at = nodes[~of_gate] - 1, lanes[~of_gate]
        np.bitwise_xor.at(words, (rows, at // 64), np.uint64(1) << (at % 64).astype(np.uint64))
        examples = Packed(words, examples.m)
    gates, at = nodes[of_gate] - circuit.first_gate, lanes[of_gate]
    how = with_events(program(circuit, keep=True), gates, np.full(len(gates), FLIP), at)
    return run(circuit, how, examples, threads=threads, on_progress=on_progress)[0]
