"""The loops as the rooms call them: checked arguments, then the extension or the twin."""

import os
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rote._native import _twins
from rote._native._twins import Factors
from rote.errors import InputError


@dataclass(frozen=True)
class NativeStatus:
    """Whether the extension is at work.

    Attributes:
        on: Whether the loops run in C++.
        isa: The instruction set chosen, for example ``"avx2"``; empty where it is off.
        why: What keeps it off, in words; empty where it is on.

    Example:
        >>> NativeStatus(on=True, isa="avx2", why="").isa
        'avx2'
    """

    on: bool
    isa: str
    why: str


def _find() -> tuple[ModuleType | None, NativeStatus]:
    if os.environ.get("ROTE_NATIVE", "").lower() in {"off", "0"}:
        return None, NativeStatus(on=False, isa="", why="ROTE_NATIVE=off is set")
    try:
        core = import_module("rote._native._core")
    except ModuleNotFoundError:
        return None, NativeStatus(on=False, isa="", why="it was not built when rote was installed")
    except ImportError as error:
        return None, NativeStatus(on=False, isa="", why=f"it cannot be loaded ({error})")
    return core, NativeStatus(on=True, isa=core.instruction_sets()[0], why="")


_extension, _status = _find()


def status() -> NativeStatus:
    """Whether the loops run in C++, with which instruction set, else why not.

    Example:
        >>> status().on or bool(status().why)
        True
    """
    return _status


def pack_bits(patterns: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack each row of booleans into 64-bit words; bit ``i % 64`` of word ``i // 64`` is column ``i``.

    NumPy's own packing is already a vector loop, so this one has no native form.

    Args:
        patterns: Shape ``[a, m]``, bool: which of m examples have each of a patterns.

    Returns:
        Shape ``[a, ceil(m / 64)]``, uint64; bits beyond column m are 0.

    Raises:
        InputError: If it is no bool matrix.

    Example:
        >>> pack_bits(np.array([[True, False, True]])).tolist()
        [[5]]
    """
    if patterns.ndim != 2 or patterns.dtype != np.bool_:
        raise InputError(
            f"`patterns` must be a bool matrix [a, m]. Got {patterns.dtype} of shape {patterns.shape}."
        )
    packed = np.packbits(patterns, axis=1, bitorder="little")
    words = np.zeros((len(patterns), -(-patterns.shape[1] // 64) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view("<u8").astype(np.uint64, copy=False)


def and_counts(
    a: NDArray[np.uint64], b: NDArray[np.uint64], *, threads: int = 1, isa: str = ""
) -> NDArray[np.int64]:
    """How many bits each row of ``a`` shares with each row of ``b``: how many examples have both patterns.

    Args:
        a: Packed rows (see :func:`pack_bits`), shape ``[a, words]``, uint64.
        b: Packed rows, shape ``[b, words]``, uint64.
        threads: Threads to use.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        Shape ``[a, b]``, int64.

    Raises:
        InputError: If the two are not uint64 matrices of equally many words, or ``threads`` is below 1.

    Example:
        >>> and_counts(np.array([[7]], np.uint64), np.array([[1], [6]], np.uint64)).tolist()
        [[1, 2]]
    """
    for name, rows in (("a", a), ("b", b)):
        if rows.ndim != 2 or rows.dtype != np.uint64:
            raise InputError(f"`{name}` must be a uint64 matrix. Got {rows.dtype} of shape {rows.shape}.")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"`a` and `b` must have equally many words. Got {a.shape[1]} and {b.shape[1]}.")
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")
    if _extension is None:
        return _twins.and_counts(a, b)
    counts = np.empty((len(a), len(b)), np.int64)
    _extension.and_counts(np.ascontiguousarray(a), np.ascontiguousarray(b), counts, threads, isa)
    return counts


def clamped_products(
    left: Factors,
    right: Factors,
    *,
    c: int,
    drop: bool = False,
    scale: float = 1.0,
    threads: int = 1,
    isa: str = "",
) -> Factors:
    """For each pair (r, j), the sum of the m products ``left[i, r] · right[i, j]`` with its extremes tamed.

    The c largest and the c smallest products are clamped to their neighbours, or dropped. Products are formed
    in registers and never stored. A coordinate with a product that is not finite becomes nan.

    Args:
        left: Shape ``[m, p]``, float32 or float64.
        right: Shape ``[m, d]``, of the same type.
        c: How many at each end; at most ``(m - 1) / 2``.
        drop: Drop them instead.
        scale: Factor of the result.
        threads: Threads to use.
        isa: An instruction set instead of the best one, for tests and benchmarks.

    Returns:
        Shape ``[p, d]``, of the same type.

    Raises:
        InputError: If the two are no such matrices, or ``c`` or ``threads`` is out of range.

    Example:
        >>> values = np.array([[1.0], [2.0], [9.0]])
        >>> clamped_products(np.ones((3, 1)), values, c=1).item(), values.sum()
        (6.0, np.float64(12.0))
    """
    for name, rows in (("left", left), ("right", right)):
        if rows.ndim != 2 or rows.dtype not in (np.float32, np.float64):
            raise InputError(
                f"`{name}` must be a float32 or float64 matrix. Got {rows.dtype} of shape {rows.shape}."
            )
    if left.dtype != right.dtype or len(left) != len(right):
        raise InputError(
            "`left` and `right` must have the same type and equally many rows. Got "
            f"{left.dtype} {left.shape} and {right.dtype} {right.shape}."
        )
    if not 0 <= 2 * c < len(left):
        raise InputError(f"`c` must satisfy 0 <= 2c < m. Got c={c} with m={len(left)} examples.")
    if threads < 1:
        raise InputError(f"`threads` must be at least 1. Got {threads}.")
    if _extension is None:
        return _twins.clamped_products(left, right, c=c, drop=drop, scale=scale)
    out = np.empty((left.shape[1], right.shape[1]), left.dtype)
    factors = np.ascontiguousarray(left), np.ascontiguousarray(right)
    _extension.clamped(*factors, out, c, 0.0 if drop else 1.0, scale, threads, isa)
    return out
