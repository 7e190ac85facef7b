"""A logic network of two-input gates, held in arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

Literals = NDArray[np.uint32]

#: The literals of the constants.
FALSE, TRUE = np.uint32(0), np.uint32(1)
_MOST_NODES = 1 << 31


@dataclass(frozen=True, eq=False, repr=False)
class Circuit:
    """An immutable network of two-input AND and XOR gates whose edges may be complemented.

    Nodes are numbered: 0 is the constant 0, then come the inputs, then the gates, each after its fan-ins. A
    *literal* is ``2 * node + complement``, as in the AIGER format: literal 1 is the constant 1. A gate takes
    nine bytes.

    Attributes:
        inputs: The inputs' names.
        fanins: The two literals that each gate reads, shape ``[gates, 2]``, uint32.
        xor: Whether a gate is an exclusive or, else it is an AND; shape ``[gates]``, bool.
        outputs: The outputs' names.
        drivers: The literal of each output, shape ``[outputs]``, uint32.

    Raises:
        InputError: If shapes or types disagree, a name stands twice, or a gate does not stand after its
            fan-ins.

    Example:
        >>> fanins = np.array([[2, 4], [3, 6]], np.uint32)  # a AND b; NOT a, exclusive-or with it
        >>> circuit = Circuit(("a", "b"), fanins, np.array([False, True]), ("f",), np.array([9], np.uint32))
        >>> circuit
        Circuit(2 inputs, 1 output, 2 gates: 1 AND, 1 XOR)
    """

    inputs: tuple[str, ...]
    fanins: Literals
    xor: NDArray[np.bool_]
    outputs: tuple[str, ...]
    drivers: Literals

    def __post_init__(self) -> None:
        _check(self)
        for array in (self.fanins, self.xor, self.drivers):
            array.flags.writeable = False

    @property
    def gates(self) -> int:
        """How many gates there are."""
        return len(self.xor)

    @property
    def nodes(self) -> int:
        """How many nodes there are: the constant, the inputs and the gates."""
        return 1 + len(self.inputs) + self.gates

    @property
    def first_gate(self) -> int:
        """The node of the first gate."""
        return 1 + len(self.inputs)

    def __repr__(self) -> str:
        xors = int(np.count_nonzero(self.xor))
        return (
            f"Circuit({_number(len(self.inputs), 'input')}, {_number(len(self.outputs), 'output')}, "
            f"{_number(self.gates, 'gate')}: {self.gates - xors:,} AND, {xors:,} XOR)"
        )


def _number(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def literal(node: int, complement: bool = False) -> np.uint32:
    """The literal of a node.

    Example:
        >>> int(literal(3, complement=True))
        7
    """
    return np.uint32(2 * node + complement)


def _check(circuit: Circuit) -> None:
    fanins, xor, drivers = circuit.fanins, circuit.xor, circuit.drivers
    if fanins.dtype != np.uint32 or fanins.ndim != 2 or fanins.shape[1] != 2:
        raise InputError(f"`fanins` must be uint32 of shape [gates, 2]. Got {fanins.dtype} {fanins.shape}.")
    if xor.dtype != np.bool_ or xor.shape != (len(fanins),):
        raise InputError(f"`xor` must be bool of shape [{len(fanins)}]. Got {xor.dtype} {xor.shape}.")
    if drivers.dtype != np.uint32 or drivers.shape != (len(circuit.outputs),):
        raise InputError(
            f"`drivers` must be uint32 of shape [{len(circuit.outputs)}]. "
            f"Got {drivers.dtype} {drivers.shape}."
        )
    if circuit.nodes > _MOST_NODES:
        raise InputError(f"A circuit has at most {_MOST_NODES:,} nodes. Got {circuit.nodes:,}.")
    for names, what in ((circuit.inputs, "inputs"), (circuit.outputs, "outputs")):
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise InputError(f"`{what}` must have different names. `{twice:.80}` stands twice.")
    if drivers.size and int(drivers.max()) >> 1 >= circuit.nodes:
        at = int(drivers.argmax())
        raise InputError(
            f"Output `{circuit.outputs[at]:.80}` reads node {int(drivers[at]) >> 1}, "
            f"but there are {circuit.nodes} nodes."
        )
    block = 1 << 20  # so that checking takes no memory beside the circuit
    for first in range(0, len(fanins), block):
        part = fanins[first : first + block]
        most = np.maximum(part[:, 0], part[:, 1]) >> 1
        late = np.flatnonzero(most >= np.arange(first, first + len(part)) + circuit.first_gate)
        if late.size:
            node = first + int(late[0]) + circuit.first_gate
            raise InputError(
                f"Gate {node} reads node {int(most[late[0]])}: a gate must stand after its fan-ins."
            )
