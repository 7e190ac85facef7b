"""The program by which a circuit is simulated, and how many examples go through it at once."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rote._native import Program, circuit_schedule
from rote.circuits._circuit import Circuit

# Bytes that stay in the first and in the second-level cache; cycles for reading 64 bytes from there and from
# beyond, as measured with other work on the machine; and those that an instruction takes whatever its width.
_CACHES = (24 << 10, 1 << 20)
_COSTS = (2.0, 2.7, 6.0)
_OVERHEAD = 8.5


def program(circuit: Circuit, *, keep: bool) -> Program:
    """A circuit as instructions on slots.

    Args:
        circuit: The circuit.
        keep: Whether gates that no output needs stay; instruction i is then gate i.
    """
    made = circuit_schedule(len(circuit.inputs), circuit.fanins, circuit.xor, circuit.drivers, keep=keep)
    return replace(made, vectors=vectors(made.reach, made.slots))


def vectors(reach: NDArray[np.int64], slots: int) -> int:
    """How many times 512 examples a block has, so that most values are still in a cache when they are read.

    Wide blocks make an instruction's own cost small, narrow ones keep values near. The distances of reads
    decide: a value read d instructions after its slot's last use finds about d other slots in the cache.

    Args:
        reach: How many reads come ``2^i`` to ``2^(i+1) - 1`` instructions after the last use, ``[32]``.
        slots: How many slots there are.

    Example:
        >>> near, far = np.zeros(32, np.int64), np.zeros(32, np.int64)
        >>> near[3] = far[12] = 1000
        >>> vectors(near, 20_000), vectors(far, 20_000)
        (8, 2)
    """
    between = np.minimum(1.5 * 2.0 ** np.arange(32), slots)
    reads = reach / max(1, reach.sum())

    def cost(width: int) -> float:
        level = np.searchsorted(_CACHES, 64 * width * between)
        return _OVERHEAD / width + 2 * float(reads @ np.take(_COSTS, level))

    return min((8, 4, 2, 1), key=cost)
