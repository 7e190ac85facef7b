"""Wrong labels planted for calibration: three kinds at once, each on examples of its own."""

import numpy as np
from numpy.typing import NDArray

KINDS = ("uniform", "pair", "instance")
"""Redrawn among the other classes; class c made c + 1; made the nearest other class."""


def plant_for_calibration(
    y: NDArray[np.int64], nearest_other: NDArray[np.int64], *, classes: int, share: float, seed: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
    """Change a share of the labels, a third of it in each of three ways.

    Unlike the noise of `rote.data.plant`, every chosen label really changes, and the three kinds fall on
    disjoint examples drawn at random.

    Args:
        y: Given labels, shape ``[m]``.
        nearest_other: For each example the nearest class that is not its own, shape ``[m]``.
        classes: Number of classes, at least 2.
        share: Of labels to change.
        seed: Of the choice.

    Returns:
        The labels, shape ``[m]``, and for each kind which of them it changed, shape ``[m]``.

    Example:
        >>> y = np.arange(300) % 3
        >>> z, planted = plant_for_calibration(y, (y + 2) % 3, classes=3, share=0.1, seed=0)
        >>> [int(mask.sum()) for mask in planted.values()], int((z != y).sum())
        ([10, 10, 10], 30)
    """
    rng = np.random.default_rng([seed, 20])
    each = max(1, round(share * len(y) / len(KINDS)))
    chosen = rng.permutation(len(y))[: each * len(KINDS)]
    z = y.copy()
    planted: dict[str, NDArray[np.bool_]] = {}
    for kind, index in zip(KINDS, np.array_split(chosen, len(KINDS)), strict=True):
        if kind == "uniform":
            z[index] = (y[index] + rng.integers(1, classes, len(index))) % classes
        elif kind == "pair":
            z[index] = (y[index] + 1) % classes
        else:
            z[index] = nearest_other[index]
        planted[kind] = np.zeros(len(y), bool)
        planted[kind][index] = True
    return z, planted
