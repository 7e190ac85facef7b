"""The passes over circuits as the rooms call them: the extension or the twin.

Their arguments come from circuits, which were checked when they were made.
"""

import numpy as np
from numpy.typing import NDArray

from rote._native import _circuit_twins as twins
from rote._native import _loops
from rote._native._circuit_twins import Bytes, Literals


def circuit_levels(inputs: int, fanins: Literals) -> NDArray[np.int32]:
    """The level of each node: 0 for the constant and the inputs, else one more than the fan-ins' largest.

    Args:
        inputs: How many inputs there are.
        fanins: Shape ``[gates, 2]``, uint32 literals, each gate after its fan-ins.

    Returns:
        Shape ``[1 + inputs + gates]``, int32.

    Example:
        >>> circuit_levels(2, np.array([[2, 4], [6, 3]], np.uint32)).tolist()
        [0, 0, 0, 1, 2]
    """
    if _loops._extension is None:
        return twins.levels(inputs, fanins)
    found = np.zeros(1 + inputs + len(fanins), np.int32)
    _loops._extension.circuit_levels(inputs, np.ascontiguousarray(fanins), found)
    return found


def circuit_mark(inputs: int, fanins: Literals, marks: Bytes) -> None:
    """Mark, in place, all that marked nodes read, and what these read, and so on.

    Args:
        inputs: How many inputs there are.
        fanins: Shape ``[gates, 2]``, uint32 literals.
        marks: Shape ``[1 + inputs + gates]``, uint8, 0 or 1.

    Example:
        >>> marks = np.array([0, 0, 0, 0, 1], np.uint8)
        >>> circuit_mark(2, np.array([[2, 4], [4, 4]], np.uint32), marks)
        >>> marks.tolist()
        [0, 0, 1, 0, 1]
    """
    if _loops._extension is None:
        twins.mark(inputs, fanins, marks)
    else:
        _loops._extension.circuit_mark(inputs, np.ascontiguousarray(fanins), marks)


def circuit_rewrite(
    start: Literals, fanins: Literals, tables: Bytes, first: int, share: bool
) -> tuple[Literals, NDArray[np.bool_], Literals]:
    """Gates with any function of two inputs as AND and XOR gates, constants propagated.

    Args:
        start: The literals that the constant and the inputs become, shape ``[1 + inputs]``, uint32.
        fanins: Shape ``[gates, 2]``, uint32.
        tables: The function of each gate, shape ``[gates]``, uint8: bit ``a + 2 b`` answers fan-ins a and b.
        first: The number of the first new gate's node.
        share: Whether gates that compute the same of the same fan-ins become one.

    Returns:
        The new gates' fan-ins and kinds, and the literal that each old node becomes, shape
        ``[1 + inputs + gates]``.

    Example:
        >>> start, fanins = np.array([0, 2, 1], np.uint32), np.array([[2, 4], [6, 2]], np.uint32)
        >>> [part.tolist() for part in circuit_rewrite(start, fanins, np.array([8, 6], np.uint8), 3, False)]
        [[], [], [0, 2, 1, 2, 0]]
    """
    if _loops._extension is None:
        return twins.rewrite(start, fanins, tables, first, share)
    new = np.empty((len(fanins), 2), np.uint32)
    xor = np.empty(len(fanins), np.bool_)
    became = np.empty(len(start) + len(fanins), np.uint32)
    became[: len(start)] = start
    gates = _loops._extension.circuit_rewrite(
        np.ascontiguousarray(fanins), tables, became, new, xor.view(np.uint8), first, share
    )
    return new[:gates], xor[:gates], became
