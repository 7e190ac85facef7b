"""The loops in NumPy: what the extension must agree with, and what runs where it is absent."""

import numpy as np
from numpy.typing import NDArray

#: A matrix of float32 or float64.
Factors = NDArray[np.float32] | NDArray[np.float64]


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


def clamped_products(left: Factors, right: Factors, *, c: int, drop: bool, scale: float) -> Factors:
    """Robust sums over m examples of the products ``left[i, r] · right[i, j]``, a few rows at a time.

    Args:
        left: Shape ``[m, p]``.
        right: Shape ``[m, d]``.
        c: How many are clamped, or dropped, at each end.
        drop: Whether they are dropped.
        scale: Factor of the result.

    Returns:
        Shape ``[p, d]``; nan where a product is not finite.

    Example:
        >>> values = np.array([[1.0], [2.0], [9.0]])
        >>> clamped_products(np.ones((3, 1)), values, c=1, drop=False, scale=1.0).item()
        6.0
    """
    m, p = left.shape
    out = np.empty((p, right.shape[1]), left.dtype)
    step = max(1, 2**22 // max(m * right.shape[1], 1))
    for first in range(0, p, step):
        rows = slice(first, first + step)
        with np.errstate(invalid="ignore", over="ignore"):
            products = left[:, rows, None] * right[:, None, :]
            finite = np.isfinite(products).all(axis=0)
            products.sort(axis=0)
            total = products[c : m - c].sum(axis=0)
            if c and not drop:
                total += c * (products[c] + products[m - 1 - c])
            out[rows] = np.where(finite, total * left.dtype.type(scale), np.nan)
    return out
