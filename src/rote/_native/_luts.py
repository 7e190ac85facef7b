"""The loops of lookup tables as the rooms call them: checked arguments, then the extension or the twin."""

import numpy as np
from numpy.typing import NDArray

from rote._native import _loops, _lut_twins
from rote.errors import InputError

#: The most bits of a pattern that are counted, and the most inputs of a table that answers.
MOST_COUNTED, MOST_INPUTS = 24, 16


def pack_columns(
    x: NDArray[np.bool_] | NDArray[np.uint8], *, threads: int = 1, isa: str = ""
) -> NDArray[np.uint64]:
    """Pack each column into 64-bit words: bit ``i % 64`` of word ``i // 64`` is whether example i is not 0.

    Args:
        x: Shape ``[m, n]``, bool or uint8: n bits of each of m examples.
        threads: Threads to use.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        Shape ``[n, ceil(m / 64)]``, uint64; bits beyond example m are 0.

    Raises:
        InputError: If ``x`` is no matrix of bool or uint8, or ``threads`` is below 1.

    Example:
        >>> pack_columns(np.array([[True, False], [True, True]])).tolist()
        [[3], [2]]
    """
    if x.ndim != 2 or x.dtype not in (np.bool_, np.uint8):
        raise InputError(f"`x` must be a matrix [m, n] of bool or uint8. Got {x.dtype} of shape {x.shape}.")
    _check_threads(threads)
    rows = np.ascontiguousarray(x).view(np.uint8)
    if _loops._extension is None:
        return _lut_twins.pack_columns(rows)
    out = np.empty((x.shape[1], -(-len(x) // 64)), np.uint64)
    _loops._extension.pack_columns(rows, out, threads, isa)
    return out


def lut_counts(
    bits: NDArray[np.uint64],
    fanins: NDArray[np.int32],
    *,
    m: int,
    weights: NDArray[np.uint32] | None = None,
    threads: int = 1,
    isa: str = "",
) -> NDArray[np.uint32]:
    """How many examples each pattern of each lut has.

    Labels need no place of their own: a row of labels is one more input.

    Args:
        bits: Packed rows, shape ``[n, ceil(m / 64)]``, uint64, 0 beyond example m.
        fanins: The rows that each lut reads, shape ``[luts, k]``, int32; the first is the lowest bit of the
            pattern.
        m: How many examples there are.
        weights: Count an example so often, shape ``[m]``, uint32; sums must stay below 2^32.
        threads: Threads to use; they share out the luts.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        Shape ``[luts, 2^k]``, uint32.

    Raises:
        InputError: If shapes or types disagree, a fan-in names no row, or k exceeds 24.

    Example:
        >>> bits = np.array([[0b0011], [0b0101]], np.uint64)
        >>> lut_counts(bits, np.array([[0, 1]], np.int32), m=4).tolist()
        [[1, 1, 1, 1]]
    """
    _check_luts(bits, fanins, m, MOST_COUNTED)
    _check_threads(threads)
    given = np.empty(0, np.uint32) if weights is None else weights
    if weights is not None and (weights.shape != (m,) or weights.dtype != np.uint32):
        raise InputError(
            f"`weights` must be {m} numbers of uint32. Got {weights.dtype} of shape {weights.shape}."
        )
    if _loops._extension is None or m == 0:
        return _lut_twins.lut_counts(bits, fanins, m, given)
    counts = np.empty((len(fanins), 1 << fanins.shape[1]), np.uint32)
    _loops._extension.lut_counts(
        np.ascontiguousarray(bits),
        np.ascontiguousarray(fanins),
        m,
        np.ascontiguousarray(given),
        counts,
        threads,
        isa,
    )
    return counts


def lut_outputs(
    bits: NDArray[np.uint64],
    fanins: NDArray[np.int32],
    tables: NDArray[np.uint64],
    *,
    m: int,
    threads: int = 1,
    isa: str = "",
) -> NDArray[np.uint64]:
    """What each lut's table answers to each example.

    Args:
        bits: Packed rows, shape ``[n, ceil(m / 64)]``, uint64.
        fanins: The rows that each lut reads, shape ``[luts, k]``, int32.
        tables: Packed answers, shape ``[luts, max(1, 2^k / 64)]``, uint64: bit p answers pattern p.
        m: How many examples there are.
        threads: Threads to use; they share out the luts.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        Packed rows, shape ``[luts, ceil(m / 64)]``, uint64; bits beyond example m are 0.

    Raises:
        InputError: If shapes or types disagree, a fan-in names no row, or k exceeds 16.

    Example:
        >>> bits = np.array([[0b0011], [0b0101]], np.uint64)
        >>> lut_outputs(bits, np.array([[0, 1]], np.int32), np.array([[0b0110]], np.uint64), m=4).tolist()
        [[6]]
    """
    _check_luts(bits, fanins, m, MOST_INPUTS)
    _check_threads(threads)
    words = max(1, (1 << fanins.shape[1]) // 64)
    if tables.shape != (len(fanins), words) or tables.dtype != np.uint64:
        raise InputError(
            f"`tables` must be a uint64 matrix of shape {(len(fanins), words)}. "
            f"Got {tables.dtype} of shape {tables.shape}."
        )
    if _loops._extension is None or m == 0:
        return _lut_twins.lut_outputs(bits, fanins, m, tables)
    out = np.empty((len(fanins), bits.shape[1]), np.uint64)
    _loops._extension.lut_outputs(
        np.ascontiguousarray(bits),
        np.ascontiguousarray(fanins),
        m,
        np.ascontiguousarray(tables),
        out,
        threads,
        isa,
    )
    return out


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")


def _check_luts(bits: NDArray[np.uint64], fanins: NDArray[np.int32], m: int, most: int) -> None:
    if bits.ndim != 2 or bits.dtype != np.uint64 or bits.shape[1] != -(-m // 64):
        raise InputError(
            f"`bits` must be a uint64 matrix of {-(-m // 64)} words for {m} examples. "
            f"Got {bits.dtype} of shape {bits.shape}."
        )
    if fanins.ndim != 2 or fanins.dtype != np.int32 or not 1 <= fanins.shape[1] <= most:
        raise InputError(
            f"`fanins` must be an int32 matrix [luts, k], k between 1 and {most}. "
            f"Got {fanins.dtype} of shape {fanins.shape}."
        )
    if fanins.size and not 0 <= fanins.min() <= fanins.max() < len(bits):
        raise InputError(
            f"`fanins` must name rows 0 to {len(bits) - 1} of `bits`. Got {fanins.min()} to {fanins.max()}."
        )
