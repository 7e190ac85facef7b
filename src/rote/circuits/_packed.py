"""Bits of examples, 64 to a word."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote._native import pack_columns
from rote.errors import InputError


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows of bits, one for each signal: bit ``i % 64`` of word ``i // 64`` belongs to example i.

    Attributes:
        words: Shape ``[signals, ceil(m / 64)]``, uint64; bits beyond example m are 0.
        m: How many examples there are.

    Example:
        >>> pack(np.array([[True, False], [True, True]])).words.tolist()
        [[3], [2]]
    """

    words: NDArray[np.uint64]
    m: int

    def __post_init__(self) -> None:
        if self.words.dtype != np.uint64 or self.words.ndim != 2 or self.words.shape[1] != -(-self.m // 64):
            raise InputError(
                f"`words` must be uint64 of {-(-self.m // 64)} words a row for {self.m} examples. "
                f"Got {self.words.dtype} {self.words.shape}."
            )

    def examples(self, first: int, last: int) -> "Packed":
        """Examples ``first … last - 1``; ``first`` is a multiple of 64."""
        if first % 64:
            raise InputError(f"`first` must be a multiple of 64. Got {first}.")
        last = min(last, self.m)
        words = np.ascontiguousarray(self.words[:, first // 64 : -(-last // 64)])
        if last % 64 and words.size:
            words[:, -1] &= np.uint64((1 << last % 64) - 1)
        return Packed(words, last - first)


def pack(X: NDArray[np.bool_] | NDArray[np.uint8], *, threads: int = 1) -> Packed:
    """Pack bits ``[m, signals]``, bool or uint8 (not 0: 1).

    Example:
        >>> pack(np.eye(3, dtype=bool)).m
        3
    """
    return Packed(pack_columns(X, threads=threads), len(X))


def unpack(packed: Packed) -> NDArray[np.bool_]:
    """The bits, shape ``[m, signals]``.

    Example:
        >>> unpack(pack(np.eye(2, dtype=bool))).astype(int).tolist()
        [[1, 0], [0, 1]]
    """
    rows = np.ascontiguousarray(packed.words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(rows, axis=1, count=packed.m, bitorder="little").T.astype(np.bool_)
