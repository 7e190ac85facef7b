"""Signals with names, defined in any order, as the text formats give them; and the circuit that they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rote.circuits._circuit import Circuit
from rote.errors import InputError

_UNKNOWN = -1
#: For each gate: are its fan-ins complemented, is it an exclusive or, is its answer complemented.
GATES = {
    "and": (0, False, 0),
    "nand": (0, False, 1),
    "or": (1, False, 1),
    "nor": (1, False, 0),
    "xor": (0, True, 0),
    "xnor": (0, True, 1),
    "buf": (0, False, 0),
    "not": (0, False, 1),
}


class Netlist:
    """What a file has said so far.

    Signals are numbered as they are met; 0 is the constant 0, and ``2 * signal + complement`` is a literal.
    Each is defined once, as an AND or XOR of any number of literals. Gates of two fan-ins become gates of the
    circuit as they are, in the file's order where that is possible; wider ones become balanced trees.

    Args:
        path: The file, for errors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = ["constant 0"]
        self._signals: dict[str, int] = {}
        self._inputs: list[int] = []
        self._outputs: list[tuple[str, int, int]] = []
        self._definitions: dict[int, tuple[bool, bool, tuple[int, ...], int]] = {}

    def wrong(self, line: int, what: str) -> InputError:
        """The error that says what is wrong in a line."""
        return InputError(f"`{self.path}`, line {line}: {what}.")

    def signal(self, name: str) -> int:
        """The literal of a name."""
        found = self._signals.get(name)
        if found is None:
            found = self._signals[name] = self.fresh(name)
        return found

    def fresh(self, name: str) -> int:
        """The literal of a new signal, which no name finds."""
        self.names.append(name)
        return 2 * (len(self.names) - 1)

    def input(self, literal: int, line: int) -> None:
        """Say that a signal is an input."""
        self._defined(literal, line)
        self._definitions[literal >> 1] = (False, False, (), line)
        self._inputs.append(literal >> 1)

    def output(self, name: str, literal: int, line: int) -> None:
        """Say that a literal drives an output of this name."""
        self._outputs.append((name, literal, line))

    def define(self, target: int, fanins: Sequence[int], line: int, *, xor: bool = False) -> None:
        """Say that a literal is the AND, or exclusive or, of others; no others: the constant 1, or 0."""
        self._defined(target, line)
        self._definitions[target >> 1] = (bool(target & 1), xor, tuple(fanins), line)

    def product(self, fanins: Sequence[int], line: int, *, xor: bool = False) -> int:
        """The literal of an AND, or exclusive or, that has no name; a single literal is itself."""
        if len(fanins) == 1:
            return fanins[0]
        target = self.fresh("")
        self.define(target, fanins, line, xor=xor)
        return target

    def define_gate(self, target: int, kind: str, fanins: Sequence[int], line: int) -> None:
        """Say that a literal is what a gate of `GATES` answers."""
        inner, xor, outer = GATES[kind]
        if not fanins or (kind in ("buf", "not") and len(fanins) > 1):
            raise self.wrong(line, f"a gate of kind `{kind}` cannot have {len(fanins)} fan-ins")
        self.define(target ^ outer, [fanin ^ inner for fanin in fanins], line, xor=xor)

    def define_sum(self, target: int, fanins: Sequence[int], cubes: Sequence[str], line: int) -> None:
        """Say that a literal is a sum of products, as covers write it.

        A cube has one of ``0 1 -`` for each fan-in. The cover that lists every row of odd, or every row of
        even, parity is an exclusive or.
        """
        width = len(fanins)
        if width > 1 and len(cubes) == 1 << min(width - 1, 30) and (parity := _parity(cubes)) is not None:
            self.define(target, (fanins[0] ^ 1 ^ parity, *fanins[1:]), line, xor=True)
            return
        products = [
            [fanin ^ (bit == "0") for fanin, bit in zip(fanins, cube, strict=True) if bit != "-"]
            for cube in cubes
        ]
        if len(products) == 1 or not all(products):  # a cube without literals is the constant 1
            self.define(target, min(products, key=len), line)
        else:
            self.define(target ^ 1, [self.product(product, line) ^ 1 for product in products], line)

    def circuit(self) -> Circuit:
        """The circuit.

        Raises:
            InputError: If a signal that is read is not defined, depends on itself, or is an output twice.
        """
        grown = _Grown(self)
        for signal in self._definitions:
            grown.resolve(signal)
        drivers = [grown.read(literal, line) for _, literal, line in self._outputs]
        return Circuit(
            tuple(self.names[signal] for signal in self._inputs),
            np.array(grown.fanins, np.uint32).reshape(-1, 2),
            np.array(grown.xor, np.bool_),
            tuple(name for name, _, _ in self._outputs),
            np.array(drivers, np.uint32),
        )

    def _defined(self, target: int, line: int) -> None:
        before = self._definitions.get(target >> 1)
        if before is not None or target < 2:
            where = "" if before is None else f" in line {before[3]}"
            raise self.wrong(
                line, f"`{self.names[target >> 1]:.80}` is already defined{where}: define a signal once"
            )


class _Grown:
    """The circuit as it grows, fan-ins before what reads them."""

    def __init__(self, net: Netlist) -> None:
        self.net, self.definitions = net, net._definitions
        self.fanins: list[int] = []
        self.xor: list[bool] = []
        self.literals = [_UNKNOWN] * len(net.names)
        self.literals[0] = 0
        for node, signal in enumerate(net._inputs, 1):
            self.literals[signal] = 2 * node
        self.nodes = 1 + len(net._inputs)

    def read(self, literal: int, line: int) -> int:
        found = self.literals[literal >> 1]
        if found == _UNKNOWN:
            name = self.net.names[literal >> 1]
            raise self.net.wrong(line, f"`{name:.80}` is read but nothing defines it")
        return found ^ literal & 1

    def resolve(self, signal: int) -> None:
        """Depth first with a stack of its own: files may be deep."""
        if self.literals[signal] != _UNKNOWN:
            return
        stack, open_ = [signal], set[int]()
        while stack:
            top = stack[-1]
            if self.literals[top] != _UNKNOWN:
                stack.pop()
                continue
            complement, xor, fanins, line = self.definitions[top]
            read = [self.literals[x >> 1] for x in fanins]
            if _UNKNOWN in read:
                waiting = [x >> 1 for x, found in zip(fanins, read, strict=True) if found == _UNKNOWN]
                self._await(top, waiting, line, open_)
                stack += reversed(waiting)
                continue
            stack.pop()
            open_.discard(top)
            made = self._tree([found ^ x & 1 for x, found in zip(fanins, read, strict=True)], xor)
            self.literals[top] = made ^ complement

    def _await(self, top: int, waiting: list[int], line: int, open_: set[int]) -> None:
        for other in waiting:
            if other not in self.definitions:
                self.read(2 * other, line)
            if other == top or other in open_:
                name = self.net.names[other] or self.net.names[top]
                raise self.net.wrong(line, f"`{name:.80}` depends on itself: a circuit must have no loop")
        open_.add(top)

    def _tree(self, literals: list[int], xor: bool) -> int:
        if not literals:
            return 0 if xor else 1
        while len(literals) > 1:
            made = len(literals) // 2
            self.fanins += literals[: 2 * made]
            self.xor += [xor] * made
            new = range(2 * self.nodes, 2 * (self.nodes + made), 2)
            self.nodes += made
            literals = [*new, *literals[2 * made :]]
        return literals[0]


def _parity(cubes: Sequence[str]) -> int | None:
    """What the numbers of ones of different cubes are modulo 2, if all say so and none leaves a bit out."""
    parities = {cube.count("1") % 2 for cube in cubes}
    whole = len(parities) == 1 and len(set(cubes)) == len(cubes) and not any("-" in cube for cube in cubes)
    return parities.pop() if whole else None
