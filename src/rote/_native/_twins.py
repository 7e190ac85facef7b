"""The loops in NumPy: what the extension must agree with, and what runs where it is absent."""

import numpy as np
from numpy.typing import NDArray


def and_counts(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits set in both rows, for every pair of rows.

    Args:
        a: Shape ``[a, words]``.
        b: Shape ``[b, words]``.

    Returns:
        Shape ``[a, b]``.

    Example:
        >>> and_counts(np.array([[7]], np.uint64), np.array([[1], [6]], np.uint64)).tolist()
        [[1, 2]]
    """
    counts = np.empty((len(a), len(b)), np.int64)
    for i, row in enumerate(a):
        counts[i] = np.bitwise_count(row & b).sum(axis=1, dtype=np.int64)
    return counts
