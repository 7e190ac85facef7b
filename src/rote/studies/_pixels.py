"""Pictures as text, one letter a pixel, so that records stay small."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxy"
"""From lowest to highest; an odd number of them, so that the middle has one of its own."""


def written(values: ArrayLike, low: float, high: float) -> list[str]:
    """A matrix as one text a row, in 35 levels; what is beyond the ends is put there.

    Args:
        values: Shape ``[h, w]``, none of them nan.
        low: Written as ``0``.
        high: Written as ``y``.

    Example:
        >>> written([[-1, -0.5, 0], [0.5, 1, 7]], -1, 1)
        ['08h', 'qyy']
    """
    share = np.clip((np.asarray(values, np.float64) - low) / (high - low), 0, 1)
    return ["".join(_LETTERS[i] for i in row) for row in np.rint(share * (len(_LETTERS) - 1)).astype(int)]


def read(rows: Sequence[str], low: float, high: float) -> list[list[float]]:
    """The matrix that was written, to within half a level.

    Example:
        >>> read(["0hy"], -1, 1)
        [[-1.0, 0.0, 1.0]]
    """
    step = (high - low) / (len(_LETTERS) - 1)
    return [[round(low + step * int(letter, 36), 4) for letter in row] for row in rows]
