"""A logic network of two-input gates, held in arrays."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

if TYPE_CHECKING:
    from rote.circuits._counterfactual import OnProgress
    from rote.circuits._counts import Counts
    from rote.circuits._curve import Counterfactual, Kind, Switches
    from rote.circuits._packed import Packed

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

    @classmethod
    def read(cls, path: str | Path) -> "Circuit":
        r"""Read a file; its suffix says the format.

        ``.aig`` and ``.aag`` are AIGER, binary and ASCII; ``.blif``; ``.pla`` is an Espresso cover; ``.v``
        is structural Verilog; ``.bench``. Gates of two fan-ins stay as they are; wider ones become trees.

        Args:
            path: The file.

        Raises:
            InputError: If the file is absent, has another suffix, or cannot be read as its format; the
                sentence names the line, or the byte of a binary file.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder) / "and.blif"
            ...     _ = path.write_text(".model and\n.inputs a b\n.outputs f\n.names a b f\n11 1\n.end\n")
            ...     Circuit.read(path)
            Circuit(2 inputs, 1 output, 1 gate: 1 AND, 0 XOR)
        """
        from rote.circuits._files import read

        return read(path)

    def write(self, path: str | Path) -> Path:
        """Write a file in the format that its suffix says, one of those that `read` knows.

        AIGER has no exclusive or: each becomes three ANDs there. A ``.pla`` file is a truth table, so at most
        16 inputs are written.

        Returns:
            The path.

        Raises:
            InputError: If the suffix is none of them, the file cannot be written, or the format has no way to
                write what is asked, such as a name with a space.

        Example:
            >>> import tempfile
            >>> from rote.circuits import Builder
            >>> inverter = Builder(["a"]).finish({"f": 3})
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     print(inverter.write(Path(folder) / "not.aag").read_text(), end="")
            aag 1 1 0 1 0
            2
            3
            i0 a
            o0 f
        """
        from rote.circuits._files import write

        return write(self, path)

    @cached_property
    def levels(self) -> NDArray[np.int32]:
        """The level of each node, ``[nodes]``: 0 for constant and inputs, else one above the fan-ins."""
        from rote.circuits import _structure

        return _structure.levels(self)

    @property
    def depth(self) -> int:
        """How many gates the longest path has."""
        return int(self.levels.max())

    def cone(self, outputs: Sequence[str | int] | None = None) -> "Circuit":
        """The circuit of some outputs, and of its gates only those that they need; all inputs stay.

        Args:
            outputs: Names or indices; all outputs unless told otherwise.

        Example:
            >>> Circuit(("a",), np.array([[2, 3]], np.uint32), np.array([True]), (), np.array([], np.uint32))
            Circuit(1 input, 0 outputs, 1 gate: 0 AND, 1 XOR)
            >>> _.cone()
            Circuit(1 input, 0 outputs, 0 gates: 0 AND, 0 XOR)
        """
        from rote.circuits import _structure

        return _structure.cone(self, outputs)

    def without_xor(self) -> "Circuit":
        """The same functions by AND gates alone: an exclusive or becomes three."""
        from rote.circuits import _structure

        return _structure.without_xor(self)

    def shared(self) -> "Circuit":
        """The same functions, constants propagated and each gate but once (structural hashing)."""
        from rote.circuits import _structure

        return _structure.shared(self)

    def __rshift__(self, then: "Circuit") -> "Circuit":
        """This circuit, whose outputs drive the inputs of ``then`` by position; constants propagate."""
        from rote.circuits import _structure

        return _structure.compose(self, then)

    def __or__(self, other: "Circuit") -> "Circuit":
        """Both side by side; inputs of the same name are one, outputs must differ in name."""
        from rote.circuits import _structure

        return _structure.parallel(self, other)

    def counts(self, X: "Packed | NDArray[np.bool_]", *, threads: int = 1) -> "Counts":
        """On how many examples each node is 1: the first pass of `counterfactual`. Counts of shards add.

        Args:
            X: Examples, bool of shape ``[m, inputs]`` or packed.
            threads: Threads to use.
        """
        from rote.circuits._counterfactual import count

        return count(self, X, threads=threads)

    def counterfactual(
        self,
        X: "Packed | NDArray[np.bool_]",
        y: NDArray[np.integer],
        limits: Sequence[int] | None = None,
        kind: "Kind" = "simple",
        *,
        switches: "Switches | None" = None,
        counts: "Counts | None" = None,
        threads: int = 1,
        on_progress: "OnProgress | None" = None,
    ) -> "Counterfactual":
        """Counterfactual simulation: how accuracy falls when whatever is rare is perturbed.

        `rote.circuits.counterfactual` says what each argument means.
        """
        from rote.circuits._counterfactual import counterfactual

        return counterfactual(
            self,
            X,
            y,
            limits,
            kind,
            switches=switches,
            counts=counts,
            threads=threads,
            on_progress=on_progress,
        )

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
            twice = Counter(names).most_common(1)[0][0]
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
