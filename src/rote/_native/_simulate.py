"""Scheduling and simulating circuits as the rooms call them: the extension or the twin."""

import numpy as np
from numpy.typing import NDArray

from rote._native import _loops
from rote._native import _simulate_twins as twins
from rote._native._circuit_twins import Literals, Words
from rote._native._program import Chance, Program


def circuit_schedule(
    inputs: int, fanins: Literals, xors: NDArray[np.bool_], drivers: Literals, *, keep: bool
) -> Program:
    """A circuit as a program: each value has a slot, which is free again when it was last read.

    Args:
        inputs: How many inputs there are.
        fanins: Shape ``[gates, 2]``, uint32 literals.
        xors: Shape ``[gates]``, bool.
        drivers: The outputs' literals, uint32; constants and inputs among them are no part of the program.
        keep: Whether gates that no output needs stay.

    Example:
        >>> circuit = np.array([[2, 5]], np.uint32), np.array([False]), np.array([7], np.uint32)
        >>> program = circuit_schedule(2, *circuit, keep=True)
        >>> program.code.tolist(), program.events.tolist(), program.slots
        ([[2, 5, 2]], [[0, 0, 1, 0], [0, 0, 2, 1], [1, 1, 1, 1]], 3)
    """
    if _loops._extension is None:
        return twins.schedule(inputs, fanins, xors, drivers, keep=keep)
    code = np.empty((len(fanins), 3), np.uint32)
    events = np.empty((inputs + len(drivers), 4), np.uint32)
    reach = np.zeros(32, np.int64)
    given = np.ascontiguousarray(fanins), np.ascontiguousarray(xors).view(np.uint8)
    n, happening, slots = _loops._extension.circuit_schedule(
        inputs, *given, np.ascontiguousarray(drivers), keep, code, events, reach
    )
    return Program(code[:n], events[:happening], slots, reach, bool(xors.any()))


def circuit_simulate(
    program: Program,
    rows: Words,
    out: Words,
    ones: NDArray[np.uint32],
    *,
    m: int,
    span: tuple[int, int],
    chance: Chance | None = None,
    threads: int = 1,
    isa: str = "",
) -> None:
    """Run a program on the words of ``span``: fills ``out`` and adds to ``ones``.

    Args:
        program: See :func:`circuit_schedule`.
        rows: Packed inputs, ``[inputs, ceil(m / 64)]``, uint64.
        out: Packed rows, ``[outputs, ceil(m / 64)]``, uint64; bits beyond example m are 0.
        ones: Empty, or on how many examples each instruction's value is 1, uint32.
        m: How many examples there are.
        span: The first word, a multiple of 64 if there is noise, and the last.
        chance: What is random.
        threads: Threads to use; they share out the examples.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Example:
        >>> circuit = np.array([[2, 5]], np.uint32), np.array([False]), np.array([6], np.uint32)
        >>> program = circuit_schedule(2, *circuit, keep=True)
        >>> rows, out = np.array([[3], [5]], np.uint64), np.zeros((1, 1), np.uint64)
        >>> ones = np.zeros(1, np.uint32)
        >>> circuit_simulate(program, rows, out, ones, m=4, span=(0, 1))
        >>> out.tolist(), ones.tolist()
        ([[2]], [1])
    """
    chance = chance or Chance()
    if _loops._extension is None:
        return twins.simulate(program, rows, out, ones, m=m, span=span, chance=chance)
    _loops._extension.circuit_simulate(
        np.ascontiguousarray(program.code),
        np.ascontiguousarray(program.events),
        program.slots,
        np.ascontiguousarray(rows),
        out,
        ones,
        m,
        span,
        program.vectors,
        (chance.key, chance.first, chance.k, chance.before),
        chance.thresholds,
        program.xors,
        threads,
        isa,
    )
    return None
