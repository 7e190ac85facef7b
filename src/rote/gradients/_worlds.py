"""Null worlds: what pristine and corrupt examples would show if the designation meant nothing."""

import numpy as np
from numpy.typing import NDArray

from rote.errors import InputError

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


def checked_mask(corrupt: object, m: int) -> Mask:
    """``corrupt`` as a mask over ``m`` examples, of both kinds some.

    Raises:
        InputError: If it is not one true or false value per example, or there are examples of one kind
            only.

    Example:
        >>> checked_mask([0, 1, 1], 3)
        array([False,  True,  True])
    """
    mask = np.asarray(corrupt.cpu() if hasattr(corrupt, "cpu") else corrupt)
    if mask.shape != (m,) or not (mask.dtype == bool or bool(np.isin(mask, (0, 1)).all())):
        raise InputError(
            f"`corrupt` must hold true or false for each of the {m} examples. Got shape {mask.shape} of "
            f"{mask.dtype}: pass a mask in the order of the examples."
        )
    mask = mask.astype(bool)
    if mask.all() or not mask.any():
        raise InputError(
            f"`corrupt` must mark some of the examples and leave others. Got {int(mask.sum())} marked of "
            f"{m}: without both kinds there is nothing to tell apart."
        )
    return mask


def worlds(corrupt: Mask, nulls: int, seed: int) -> Mask:
    """The designations in the real world, row 0, and permuted in the null worlds: ``[1 + nulls, m]``.

    Raises:
        InputError: If ``nulls`` is negative.

    Example:
        >>> worlds(np.array([True, False, False]), 3, 0).sum(1)
        array([1, 1, 1, 1])
    """
    if nulls < 0:
        raise InputError(f"`nulls` must be 0 or more. Got {nulls}.")
    shuffled = np.random.default_rng(seed).permuted(np.tile(corrupt, (nulls, 1)), axis=1)
    return np.concatenate([corrupt[None], shuffled])


def sums_in_worlds(masks: Mask, values: Float) -> Float:
    """Sum of the marked ``values`` in each world: ``[w, m]``, ``[m]`` → ``[w]``.

    Example:
        >>> sums_in_worlds(np.array([[True, False], [True, True]]), np.array([2.0, 3.0]))
        array([2., 5.])
    """
    return np.concatenate([masks[i : i + 64] @ values for i in range(0, len(masks), 64)])


def two_sided(values: Float, centre: float) -> float:
    """``(1 + #)/(1 + nulls)``: the share of worlds at least as far from ``centre`` as ``values[0]``.

    The real world counts as one of them, so the p-value is never 0 and holds its level for any number of
    null worlds (Phipson & Smyth 2010). Worlds that differ from the real one by rounding only count as ties.

    Example:
        >>> two_sided(np.array([3.0, 0.0, 1.0, -3.0]), 0.0)
        0.5
    """
    far = np.abs(values - centre)
    return float(np.mean(far >= far[0] * (1 - 1e-9)))
