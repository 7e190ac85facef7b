"""Growing a circuit gate by gate, or an array of gates at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.circuits._circuit import Circuit, Literals
from rote.errors import InputError


class Builder:
    """A circuit that grows.

    Every method takes literals, or arrays of literals that broadcast, and gives an array of the same shape,
    so that a thousand adders are built in as many calls as one. Constants are propagated: a gate whose answer
    is a constant, or one of its fan-ins, is not made. Common sub-expressions are not looked for.

    Args:
        inputs: The inputs' names.

    Attributes:
        literals: The inputs' literals, shape ``[inputs]``, uint32.

    Example:
        >>> build = Builder(["a", "b"])
        >>> a, b = build.literals
        >>> build.finish({"sum": build.xor_(a, b), "carry": build.and_(a, b)})
        Circuit(2 inputs, 2 outputs, 2 gates: 1 AND, 1 XOR)
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self.inputs = tuple(inputs)
        self.literals: Literals = np.arange(2, 2 + 2 * len(self.inputs), 2, dtype=np.uint32)
        self._fanins = np.empty((64, 2), np.uint32)
        self._xor = np.empty(64, np.bool_)
        self.gates = 0

    @property
    def nodes(self) -> int:
        """How many nodes there are so far."""
        return 1 + len(self.inputs) + self.gates

    def append(self, fanins: Literals, xor: ArrayLike) -> Literals:
        """Append gates as they are, nothing simplified, and give their literals.

        A gate may read gates of the same call that stand before it.

        Args:
            fanins: Shape ``[n, 2]``.
            xor: Whether each is an exclusive or: ``[n]`` or one for all.

        Returns:
            Shape ``[n]``.

        Example:
            >>> Builder(["a", "b"]).append(np.array([[2, 4], [6, 5]], np.uint32), False).tolist()
            [6, 8]
        """
        new, first = len(fanins), self.nodes
        if first + new > 1 << 31:
            raise InputError(f"A circuit has at most {1 << 31:,} nodes: this one would have {first + new:,}.")
        if self.gates + new > len(self._xor):
            room = max(self.gates + new, len(self._xor) + len(self._xor) // 2)
            for name in ("_fanins", "_xor"):
                old = getattr(self, name)
                grown = np.empty((room, *old.shape[1:]), old.dtype)
                grown[: self.gates] = old[: self.gates]
                setattr(self, name, grown)
        self._fanins[self.gates : self.gates + new] = fanins
        self._xor[self.gates : self.gates + new] = xor
        self.gates += new
        return np.asarray(2 * np.arange(first, first + new, dtype=np.uint32), np.uint32)

    def and_(self, a: ArrayLike, b: ArrayLike) -> Literals:
        """Both of them."""
        x, y = _together(a, b)
        out = np.where((x == 1) | (x == y), y, np.where(y == 1, x, 0)).astype(np.uint32)
        gate = (x > 1) & (y > 1) & (x >> 1 != y >> 1)
        return self._made(x, y, gate, out, xor=False)

    def xor_(self, a: ArrayLike, b: ArrayLike) -> Literals:
        """Exclusive or; complements move from the fan-ins to the edge that leaves."""
        x, y = _together(a, b)
        flip = (x ^ y) & np.uint32(1)
        x, y = x & ~np.uint32(1), y & ~np.uint32(1)
        out = np.where(x == 0, y, np.where(y == 0, x, 0)).astype(np.uint32)
        gate = (x > 1) & (y > 1) & (x != y)
        return self._made(x, y, gate, out, xor=True) ^ flip

    def or_(self, a: ArrayLike, b: ArrayLike) -> Literals:
        """Either of them, or both."""
        return self.not_(self.and_(self.not_(a), self.not_(b)))

    def not_(self, a: ArrayLike) -> Literals:
        """NOT a: no gate, the edge is complemented."""
        return np.asarray(np.asarray(a, np.uint32) ^ np.uint32(1))

    def mux(self, select: ArrayLike, one: ArrayLike, zero: ArrayLike) -> Literals:
        """``one`` where ``select``, else ``zero``: two ANDs and an OR."""
        return self.or_(self.and_(select, one), self.and_(self.not_(select), zero))

    def stamp(self, template: Circuit, inputs: Literals) -> Literals:
        """Copy a circuit's gates in, once for each row of inputs; nothing is simplified.

        Args:
            template: What is copied.
            inputs: The literals that its inputs become, shape ``[n, inputs]``.

        Returns:
            The literals that its outputs become, shape ``[n, outputs]``.

        Example:
            >>> build = Builder(["a", "b", "c"])
            >>> half = Builder(["x", "y"])
            >>> adder = half.finish({"sum": half.xor_(*half.literals), "carry": half.and_(*half.literals)})
            >>> build.stamp(adder, np.array([[2, 4], [4, 7]], np.uint32)).tolist()
            [[8, 10], [12, 14]]
        """
        inputs = np.asarray(inputs, np.uint32)
        n, first = len(inputs), self.nodes
        own = first + np.arange(n * template.gates, dtype=np.uint32).reshape(n, template.gates)
        zero = np.zeros((n, 1), np.uint32)
        nodes = np.concatenate([zero, inputs, 2 * own], axis=1)  # what each node of the template becomes
        fanins = nodes[:, template.fanins >> 1] ^ (template.fanins & 1)
        self.append(fanins.reshape(-1, 2), np.tile(template.xor, n))
        return np.asarray(nodes[:, template.drivers >> 1] ^ (template.drivers & 1), np.uint32)

    def finish(self, outputs: Mapping[str, ArrayLike]) -> Circuit:
        """The circuit, with these outputs.

        Args:
            outputs: The literal of each output; an array of n literals becomes the outputs ``name[0]``, its
                lowest bit, to ``name[n-1]``.

        Example:
            >>> Builder(["a", "b"]).finish({"both": np.array([2, 5], np.uint32)}).outputs
            ('both[0]', 'both[1]')
        """
        names: list[str] = []
        for name, given in outputs.items():
            names += [name] if np.ndim(given) == 0 else [f"{name}[{i}]" for i in range(np.size(given))]
        drivers = [np.atleast_1d(np.asarray(given, np.uint32)) for given in outputs.values()]
        return Circuit(
            self.inputs,
            self._fanins[: self.gates].copy(),
            self._xor[: self.gates].copy(),
            tuple(names),
            np.concatenate([np.empty(0, np.uint32), *drivers]),
        )

    def _made(
        self, x: Literals, y: Literals, gate: NDArray[np.bool_], out: Literals, *, xor: bool
    ) -> Literals:
        if gate.all() and gate.size:
            return self.append(np.stack([x.ravel(), y.ravel()], axis=1), xor).reshape(out.shape)
        if gate.any():
            out[gate] = self.append(np.stack([x[gate], y[gate]], axis=1), xor)
        return out


def _together(a: ArrayLike, b: ArrayLike) -> tuple[Literals, Literals]:
    x, y = np.broadcast_arrays(np.asarray(a, np.uint32), np.asarray(b, np.uint32))
    return x, y
