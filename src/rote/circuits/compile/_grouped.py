"""A builder whose gates, made side by side for many rows at once, are put row after row."""

import numpy as np
from numpy.typing import NDArray

from rote.circuits._build import Builder
from rote.circuits._circuit import Circuit, Literals

_BLOCK = 1 << 22


class RowByRow(Builder):
    """Builds rows side by side, so that it is quick, and sorts their gates, so that simulating them is.

    Between `begin` and `settle` every array of literals has the rows as its first axis. A row's gates may
    read the row's own, and whatever was there before `begin`.

    Example:
        >>> from rote.circuits._words import add
        >>> build = RowByRow([f"x{i}" for i in range(8)])
        >>> build.begin(2)
        >>> left, right = build.literals.reshape(2, 2, 2)
        >>> build.settle(add(build, left, right))[0]  # the first row's sum, of nodes 9 to 12
        array([18, 24], dtype=uint32)
    """

    _first: int
    _owners: list[NDArray[np.unsignedinteger]] | None = None

    def begin(self, rows: int) -> None:
        """From here on, gates belong to one of so many rows."""
        self._first = self.gates
        self._rows = np.uint16 if rows <= 1 << 16 else np.uint32  # 16 bits are sorted in linear time
        self._owners = []

    def stamp_rows(self, template: Circuit, inputs: Literals, rows: NDArray[np.int64]) -> Literals:
        """`stamp`, where ``rows[i]`` owns the copy i."""
        out = self.stamp(template, inputs)
        if self._owners is not None:
            self._owners.append(np.repeat(rows.astype(self._rows), template.gates))
        return out

    def settle(self, words: Literals) -> Literals:
        """Put the gates made since `begin` row after row, and give the literals that these become."""
        owners = np.concatenate([np.empty(0, self._rows), *(self._owners or [])])
        self._owners = None
        order = np.argsort(owners, kind="stable").astype(np.uint32)
        base = np.uint32(self.nodes - len(order))
        place = np.empty_like(order)
        place[order] = np.arange(len(order), dtype=np.uint32)
        fanins, xor = self._fanins[self._first : self.gates], self._xor[self._first : self.gates]
        for first in range(0, len(fanins), _BLOCK):
            fanins[first : first + _BLOCK] = _moved(fanins[first : first + _BLOCK], place, base)
        fanins[:] = fanins[order]
        xor[:] = xor[order]
        return _moved(words, place, base)

    def _made(
        self, x: Literals, y: Literals, gate: NDArray[np.bool_], out: Literals, *, xor: bool
    ) -> Literals:
        before = self.gates
        answer = super()._made(x, y, gate, out, xor=xor)
        if self._owners is not None and self.gates > before:
            self._owners.append(gate.nonzero()[0].astype(self._rows))
        return answer


def _moved(literals: Literals, place: NDArray[np.uint32], base: np.uint32) -> Literals:
    """Literals once gate ``base + i`` stands at ``base + place[i]``."""
    node = literals >> 1
    new = node >= base
    moved = literals.copy()
    moved[new] = 2 * (base + place[node[new] - base]) | (literals[new] & 1)
    return moved
