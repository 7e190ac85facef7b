"""Elimination over GF(2) in NumPy: what the extension must agree with, and what runs without it."""

import numpy as np
from numpy.typing import NDArray

WINDOW = 32


def gf2_window(rows: NDArray[np.uint64], column: int, width: int, rank: int, leads: NDArray[np.uint8]) -> int:
    """Clear the columns ``column … column + width - 1`` of the rows from ``rank`` on, but for new pivots.

    In place; the window lies within one word, and these rows are zero before it.

    Args:
        rows: Packed, shape ``[m, words]``, uint64.
        column: The first.
        width: At most 32.
        rank: Rows at the top that are pivots already.
        leads: Receives the new pivots' columns within the window, shape ``[32]``.

    Returns:
        How many pivots there are; they stand at ``rank`` and below.

    Example:
        >>> rows, leads = np.array([[0b01], [0b11]], np.uint64), np.zeros(32, np.uint8)
        >>> gf2_window(rows, 0, 2, 0, leads), leads[:2].tolist(), rows.tolist()
        (2, [0, 1], [[1], [2]])
    """
    start, shift = divmod(column, 64)
    below = rows[rank:, start:]
    values = (below[:, 0] >> np.uint64(shift)).astype(np.uint32) & np.uint32((1 << width) - 1)
    reduced = values.copy()
    found = 0
    while found < width:
        left = np.flatnonzero(reduced[found:])
        if not left.size:
            break
        at = found + int(left[0])
        for kept in (below, values, reduced):
            kept[[found, at]] = kept[[at, found]]
        for p in range(found):
            if values[found] >> leads[p] & 1:
                below[found] ^= below[p]
        value = reduced[found]
        lead = int(value & -value.astype(np.int64)).bit_length() - 1
        has = np.flatnonzero(reduced >> np.uint32(lead) & np.uint32(1))
        has = has[has != found]
        for p in has[has < found]:
            below[p] ^= below[found]
        reduced[has] ^= value
        leads[found] = lead
        found += 1
    if found:
        _clear(below, values, leads[:found])
    return found


def _clear(below: NDArray[np.uint64], values: NDArray[np.uint32], leads: NDArray[np.uint8]) -> None:
    found = len(leads)
    for byte in range(WINDOW // 8):
        table = np.zeros((256, below.shape[1]), np.uint64)
        pivot = {int(lead): below[p] for p, lead in enumerate(leads)}
        for bit in range(8):
            half = table[1 << bit : 2 << bit]
            half[:] = table[: 1 << bit]
            if 8 * byte + bit in pivot:
                half ^= pivot[8 * byte + bit]
        if np.any(leads // 8 == byte):
            below[found:] ^= table[values[found:] >> np.uint32(8 * byte) & np.uint32(255)]
