"""The program by which a circuit is simulated, and how many examples go through it at once."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rote._native import Program, circuit_schedule
from rote.circuits._circuit import Circuit

# Bytes that are near, and not far; cycles for reading 64 bytes from there and from beyond, asked for in time;
# and those that an instruction takes whatever its width, without and with counting. Fitted to two circuits.
_CACHES = (32 << 10, 2 << 20)
_COSTS = (1.6, 2.0, 6.5)
_OVERHEAD, _COUNTING = 8.3, 16.0


def program(circuit: Circuit, *, keep: bool, counting: bool = False) -> Program:
    """A circuit as instructions on slots.

    Args:
        circuit: The circuit.
        keep: Whether gates that no output needs stay; instruction i is then gate i.
        counting: Whether ones will be counted, which wider blocks make cheaper.
    """
    made = circuit_schedule(len(circuit.inputs), circuit.fanins, circuit.xor, circuit.drivers, keep=keep)
    return replace(made, vectors=vectors(made.reach, made.slots, counting=counting))


def vectors(reach: NDArray[np.int64], slots: int, *, counting: bool = False) -> int:
    """How many times 512 examples a block has, so that most values are still in a cache when they are read.

    Wide blocks make an instruction's own cost small, narrow ones keep values near. The distances of reads
    decide: a value read d instructions after its slot's last use finds about d other slots in the cache.

    Args:
        reach: How many reads come ``2^i`` to ``2^(i+1) - 1`` instructions after the last use, ``[32]``.
        slots: How many slots there are.
        counting: Whether ones are counted.

    Example:
        >>> near, far = np.zeros(32, np.int64), np.zeros(32, np.int64)
        >>> near[3] = far[13] = 1000
        >>> vectors(near, 20_000), vectors(far, 20_000)
        (8, 2)
    """
    between = np.minimum(1.5 * 2.0 ** np.arange(32), slots)
    reads = reach / max(1, reach.sum())
    fixed = _COUNTING if counting else _OVERHEAD

    def cost(width: int) -> float:
        level = np.searchsorted(_CACHES, 64 * width * between)
        return fixed / width + 2 * float(reads @ np.take(_COSTS, level))

    return min((8, 4, 2, 1), key=cost)
