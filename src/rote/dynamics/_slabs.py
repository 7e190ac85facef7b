"""Single coordinates that tell the label, simple and less simple ones, in [-1, 1].

Shah, Tamuly, Raghunathan, Jain and Netrapalli 2020, "The Pitfalls of Simplicity Bias in Neural Networks"
(arXiv 2006.07710), §3. How simple a coordinate is: how few linear pieces the best classifier of it needs.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import array
from rote.errors import InputError

#: By k, then for each label (0, 1): how probable the centre slab, the first pair of side slabs, … are. The
#: odd ones of 5 and 7 make the two labels' variances nearly equal, so that a square tells little.
PROBABILITIES = {
    3: ((1.0, 0.0), (0.0, 1.0)),
    5: ((0.75, 0.0, 0.25), (0.0, 1.0, 0.0)),
    7: ((0.5, 0.0, 0.5, 0.0), (0.0, 7 / 8, 0.0, 1 / 8)),
}


def linear_coordinate(
    y: ArrayLike, rng: np.random.Generator, *, margin: float = 0.1, noise: float = 0.0
) -> NDArray[np.float64]:
    """A coordinate whose sign is the label's: one linear piece.

    Uniform between ``margin`` and 1 on the label's side; with probability ``noise`` uniform between ±margin
    instead, so that the best accuracy of a linear classifier is ``1 - noise / 2``.

    Args:
        y: Labels 0 and 1, shape ``[m]``.
        rng: What draws.
        margin: Half the gap, from 0 to 1.
        noise: Share of the examples that the coordinate does not tell.

    Returns:
        Shape ``[m]``.

    Raises:
        InputError: If a label is neither 0 nor 1, or an option is out of range.

    Example:
        >>> x = linear_coordinate([0, 1, 1], np.random.default_rng(0))
        >>> np.sign(x).tolist(), bool(abs(x).min() >= 0.1)
        ([-1.0, 1.0, 1.0], True)
    """
    sign = 2.0 * labels(y) - 1
    if not (0 <= margin <= 1 and 0 <= noise <= 1):
        raise InputError(f"`margin` and `noise` must be from 0 to 1. Got {margin} and {noise}.")
    told = sign * (margin + (1 - margin) * rng.random(len(sign)))
    if not noise:
        return told
    untold = rng.random(len(sign)) < noise
    return np.where(untold, rng.uniform(-margin, margin, len(sign)), told)


def slab_coordinate(
    y: ArrayLike, k: int, rng: np.random.Generator, *, margin: float = 0.1
) -> NDArray[np.float64]:
    """A coordinate in k slabs whose labels alternate: k linear pieces, and no correlation with the label.

    Slabs are ``2 (1 - (k - 1) margin) / k`` wide, with gaps of ``2 margin``; the outer ones end at ±1.

    Args:
        y: Labels 0 and 1, shape ``[m]``; the centre slab has label 0.
        k: 3, 5 or 7.
        rng: What draws.
        margin: Half a gap, below ``1 / (k - 1)``.

    Returns:
        Shape ``[m]``.

    Raises:
        InputError: If a label is neither 0 nor 1, or an option is out of range.

    Example:
        >>> x = slab_coordinate([0, 1, 0, 1], 3, np.random.default_rng(0))
        >>> (abs(x) > 0.26667).tolist()  # outside the centre slab
        [False, True, False, True]
    """
    label = labels(y)
    if k not in PROBABILITIES or not 0 <= margin < 1 / (k - 1):
        raise InputError(
            f"`k` must be 3, 5 or 7, and `margin` from 0 to below 1 / (k - 1). Got {k}, {margin}."
        )
    width = 2 * (1 - (k - 1) * margin) / k
    upto = np.cumsum(PROBABILITIES[k], axis=1)[label]
    pair = (rng.random((len(label), 1)) >= upto[:, :-1]).sum(axis=1)  # 0: the centre slab
    inside, side = rng.random(len(label)), rng.choice([-1.0, 1.0], len(label))
    start = (pair - 0.5) * width + 2 * pair * margin
    found: NDArray[np.float64] = side * np.where(pair == 0, width / 2 * inside, start + width * inside)
    return found


def labels(y: ArrayLike) -> NDArray[np.int64]:
    """Labels 0 and 1, shape ``[m]``.

    Raises:
        InputError: If they are others.
    """
    found = array(y, "y")
    if found.ndim != 1 or found.dtype.kind not in "iub" or not np.isin(found, (0, 1)).all():
        raise InputError(
            f"`y` must be labels 0 and 1, shape [m]. Got {found.dtype} of shape {found.shape}"
            f"{f', up to {found.max()}' if found.size and found.dtype.kind in 'iub' else ''}."
        )
    return found.astype(np.int64)
