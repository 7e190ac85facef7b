"""What a circuit's simulation is told: a program, and what is left to chance."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Program:
    """A circuit as instructions on slots, each of which is free again when its value was last read.

    Attributes:
        code: Shape ``[n, 3]``, uint32: the slots of both fan-ins, each with its complement as lowest bit, and
            the slot of the value, with 1 for an exclusive or. Slot 0 is the constant 0.
        events: Shape ``[e, 4]``, uint32, in order: before which instruction, what happens, to which slot, and
            with which row, example or node; see ``simulate.hpp``.
        slots: How many slots there are.
        reach: How many reads come ``2^i`` to ``2^(i+1) - 1`` instructions after their slot's last use,
            ``[32]``, int64.
        xors: Whether there may be an exclusive or among the instructions.
        vectors: Examples in a block, in units of 512; at most 8.

    Example:
        >>> code, events = np.empty((0, 3), np.uint32), np.empty((0, 4), np.uint32)
        >>> Program(code, events, slots=1, reach=np.zeros(32, np.int64)).vectors
        8
    """

    code: NDArray[np.uint32]
    events: NDArray[np.uint32]
    slots: int
    reach: NDArray[np.int64]
    xors: bool = True
    vectors: int = 8


def _no_thresholds() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass(frozen=True, eq=False)
class Chance:
    """What is random in a simulation: the same for the same key, whatever the blocks and threads.

    Attributes:
        key: Of all that is random.
        first: The node of the first instruction.
        k: Each value is flipped with probability ``2^-k``; 0: none is.
        before: How many words of other examples come before these; with k, a multiple of 64.
        thresholds: For k above 5: ``2^64`` times the probability of at most 0, 1, … flips in 64 words,
            uint64.

    Example:
        >>> Chance().k
        0
    """

    key: int = 0
    first: int = 0
    k: int = 0
    before: int = 0
    thresholds: NDArray[np.uint64] = field(default_factory=_no_thresholds)
