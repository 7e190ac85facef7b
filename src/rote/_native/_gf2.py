"""Elimination over GF(2) as the rooms call it: checked arguments, then the extension or the twin."""

import numpy as np
from numpy.typing import NDArray

from rote._native import _gf2_twins, _loops
from rote.errors import InputError

_LINE = 8  # words


def gf2_echelon(
    rows: NDArray[np.uint64], *, columns: int, threads: int = 1, isa: str = ""
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Echelon form over GF(2) of packed rows, by the method of the four Russians, 32 columns at a time.

    Pivots are sought in the first columns only; what stands in the others (a right-hand side) goes along.
    Ctrl-C stops it between two windows.

    Args:
        rows: Packed (see :func:`pack_bits`), shape ``[m, words]``, uint64; bit ``j % 64`` of word ``j // 64``
            is column j. Not changed.
        columns: How many columns to clear, at most ``64 * words``.
        threads: Threads to use.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        The rows in echelon form, ``[m, words]``, and the pivots' columns, ``[rank]``, int64: each row is 0 in
        the columns of the pivots before it, and those from ``rank`` on are 0 in all of the first ``columns``.
        Of two pivots of one window (columns that agree in ``j // 32``) each is 0 in the other's column, and
        they may come in any order.

    Raises:
        InputError: If ``rows`` is no uint64 matrix with so many columns, or ``threads`` is below 1.

    Example:
        >>> found, leads = gf2_echelon(np.array([[3], [3], [2]], np.uint64), columns=2)
        >>> found.tolist(), leads.tolist()
        ([[1], [2], [0]], [0, 1])
    """
    if rows.ndim != 2 or rows.dtype != np.uint64 or not 0 <= columns <= 64 * rows.shape[1]:
        raise InputError(
            f"`rows` must be a uint64 matrix of at least {columns} columns, 64 a word. "
            f"Got {rows.dtype} of shape {rows.shape}."
        )
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")
    # Rows of whole cache lines are read in half the time.
    work = np.zeros((len(rows), -(-rows.shape[1] // _LINE) * _LINE), np.uint64)
    work[:, : rows.shape[1]] = rows
    leads, rank = np.zeros((-(-columns // _gf2_twins.WINDOW), _gf2_twins.WINDOW), np.uint8), 0
    found: list[NDArray[np.int64]] = []
    for window, lead in enumerate(leads):
        if rank == len(work):
            break
        column = window * _gf2_twins.WINDOW
        width = min(_gf2_twins.WINDOW, columns - column)
        if _loops._extension is None:
            new = _gf2_twins.gf2_window(work, column, width, rank, lead)
        else:
            new = _loops._extension.gf2_window(work, column, width, rank, lead, threads, isa)
        found.append(column + lead[:new].astype(np.int64))
        rank += new
    return work[:, : rows.shape[1]], np.concatenate(found) if found else np.empty(0, np.int64)
