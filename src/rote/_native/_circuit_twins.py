"""The passes over circuits in Python and NumPy: what the extension must agree with, and its stand-in.

Nodes and literals are those of :class:`rote.circuits.Circuit`: node 0 is the constant 0, then come the
inputs, then the gates; a literal is ``2 * node + complement``.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Literals = NDArray[np.uint32]
Bytes = NDArray[np.uint8]


def levels(inputs: int, fanins: Literals) -> NDArray[np.int32]:
    """The level of each node: 0 for the constant and the inputs, else one more than the fan-ins' largest.

    Example:
        >>> levels(2, np.array([[2, 4], [6, 3]], np.uint32)).tolist()
        [0, 0, 0, 1, 2]
    """
    level = [0] * (1 + inputs)
    for a, b in (fanins >> 1).tolist():
        level.append(1 + max(level[a], level[b]))
    return np.array(level, np.int32)


def mark(inputs: int, fanins: Literals, marks: Bytes) -> None:
    """Mark, in place, all that marked nodes read, and what these read, and so on: ``marks`` is [nodes].

    Example:
        >>> marks = np.array([0, 0, 0, 0, 1], np.uint8)
        >>> mark(2, np.array([[2, 4], [4, 4]], np.uint32), marks)
        >>> marks.tolist()
        [0, 0, 1, 0, 1]
    """
    marked = marks.tolist()
    for gate, (a, b) in zip(range(len(fanins) - 1, -1, -1), (fanins[::-1] >> 1).tolist(), strict=True):
        if marked[1 + inputs + gate]:
            marked[a] = marked[b] = 1
    marks[:] = marked


def rewrite(
    start: Literals, fanins: Literals, tables: Bytes, first: int, share: bool
) -> tuple[Literals, NDArray[np.bool_], Literals]:
    """Gates with any function of two inputs as AND and XOR gates, constants propagated.

    Args:
        start: The literals that the constant and the inputs become, shape ``[1 + inputs]``.
        fanins: Shape ``[gates, 2]``.
        tables: The function of each gate, shape ``[gates]``: bit ``a + 2 b`` answers fan-ins a and b.
        first: The number of the first new gate's node.
        share: Whether gates that compute the same of the same fan-ins become one.

    Returns:
        The new gates' fan-ins and kinds, and the literal that each old node becomes, shape
        ``[1 + inputs + gates]``.

    Example:
        >>> start, fanins = np.array([0, 2, 1], np.uint32), np.array([[2, 4], [6, 2]], np.uint32)
        >>> [part.tolist() for part in rewrite(start, fanins, np.array([8, 6], np.uint8), 3, False)]
        [[], [], [0, 2, 1, 2, 0]]
    """
    became = start.tolist()
    new: list[tuple[int, int]] = []
    kinds: list[bool] = []
    known: dict[tuple[int, int, bool], int] = {}
    for (f, g), table in zip(fanins.tolist(), tables.tolist(), strict=True):
        a, b = became[f >> 1] ^ (f & 1), became[g >> 1] ^ (g & 1)
        found = _simple(a, b, table)
        if found < 0:
            xor, flip = table in (6, 9), 0
            if xor:
                flip = table & 1
            else:
                one_hot = table if table.bit_count() == 1 else 15 - table
                flip, p = int(one_hot != table), one_hot.bit_length() - 1
                a, b = a ^ (~p & 1), b ^ (~p >> 1 & 1)
            if share:
                if xor:
                    flip, a, b = flip ^ (a ^ b) & 1, a & ~1, b & ~1
                a, b = min(a, b), max(a, b)
            node = known.get((a, b, xor)) if share else None
            if node is None:
                node = first + len(new)
                new.append((a, b))
                kinds.append(xor)
                known[a, b, xor] = node
            found = 2 * node + flip
        became.append(found)
    pairs = np.array(new, np.uint32).reshape(-1, 2)
    return pairs, np.array(kinds, np.bool_), np.array(became, np.uint32)


def _simple(a: int, b: int, table: int) -> int:
    """The literal of a function of two literals that needs no gate, or -1."""
    if a < 2 and b < 2:
        return table >> (a + 2 * b) & 1
    if b < 2:  # a function of a alone: its answers to 0 and 1
        low, high, of = table >> 2 * b & 1, table >> (2 * b + 1) & 1, a
    elif a < 2:
        low, high, of = table >> a & 1, table >> (a + 2) & 1, b
    elif a >> 1 == b >> 1:
        other = a ^ b  # 0: always the same; 1: never
        low, high, of = table >> 2 * other & 1, table >> (3 - 2 * other) & 1, a
    elif table in (0, 15):
        return table & 1
    elif table in (10, 5):
        return a ^ (table & 1)
    elif table in (12, 3):
        return b ^ (table & 1)
    else:
        return -1
    return low if low == high else of ^ low
