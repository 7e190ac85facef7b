"""The loops of lookup tables in NumPy: what the extension must agree with, and what runs without it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def pack_columns(x: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Bits of each column of ``x [m, n]``: ``[n, ceil(m / 64)]``, zero beyond example m.

    Example:
        >>> pack_columns(np.array([[1, 0], [1, 7]], np.uint8)).tolist()
        [[3], [2]]
    """
    m, n = x.shape
    packed = np.packbits(np.ascontiguousarray(x.T) != 0, axis=1, bitorder="little")
    words = np.zeros((n, -(-m // 64) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view("<u8").astype(np.uint64, copy=False)


def _unpacked(bits: NDArray[np.uint64], m: int) -> NDArray[np.uint8]:
    whole = np.ascontiguousarray(bits.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(whole, axis=1, count=m, bitorder="little")


def _patterns(bits: NDArray[np.uint64], fanins: NDArray[np.int32], m: int) -> Iterator[NDArray[np.int32]]:
    """The pattern of each example, lut after lut; only rows that are read are unpacked."""
    used, at = np.unique(fanins, return_inverse=True)
    rows = _unpacked(bits[used], m)
    for lut in at.reshape(fanins.shape):
        pattern = np.zeros(m, np.int32)
        for j, row in enumerate(lut):
            pattern |= rows[row].astype(np.int32) << j
        yield pattern


def lut_counts(
    bits: NDArray[np.uint64], fanins: NDArray[np.int32], m: int, weights: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """How many of m examples, or what weight of them, each lut's patterns have: ``[luts, 2^k]``.

    Example:
        >>> bits = np.array([[0b0011], [0b0101]], np.uint64)
        >>> lut_counts(bits, np.array([[0, 1]], np.int32), 4, np.empty(0, np.uint32)).tolist()
        [[1, 1, 1, 1]]
    """
    luts, k = fanins.shape
    counts = np.empty((luts, 1 << k), np.uint32)
    for lut, pattern in enumerate(_patterns(bits, fanins, m)):
        counts[lut] = np.bincount(pattern, weights if len(weights) else None, 1 << k)
    return counts


def lut_outputs(
    bits: NDArray[np.uint64], fanins: NDArray[np.int32], m: int, tables: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """The answers of each lut's table, packed: ``[luts, ceil(m / 64)]``.

    Example:
        >>> bits = np.array([[0b0011], [0b0101]], np.uint64)
        >>> tables = np.array([[0b0110]], np.uint64)  # exclusive or
        >>> lut_outputs(bits, np.array([[0, 1]], np.int32), 4, tables).tolist()
        [[6]]
    """
    answers = np.zeros((m, len(fanins)), np.uint8)
    entries = _unpacked(tables, tables.shape[1] * 64)
    for lut, pattern in enumerate(_patterns(bits, fanins, m)):
        answers[:, lut] = entries[lut, pattern]
    return pack_columns(answers)
