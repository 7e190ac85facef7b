"""Products of matrices: factors ``[W_1, …, W_N]``, the first applied first: the product is ``W_N ⋯ W_1``."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import numbers
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


def product(factors: Sequence["ArrayLike | Tensor"]) -> Floats:
    """``W_N ⋯ W_1``, what a deep linear network computes.

    Args:
        factors: Matrices, the first applied first, W_j of shape ``[d_j, d_{j-1}]``.

    Returns:
        Shape ``[d_N, d_0]``.

    Raises:
        InputError: If there is none, or shapes do not fit each other.

    Example:
        >>> product([[[1, 2]], [[3], [4]]]).tolist()
        [[3.0, 6.0], [4.0, 8.0]]
    """
    return multiplied(fitting(factors))


def multiplied(factors: Sequence[Floats]) -> Floats:
    """The product of matrices that are known to fit.

    Example:
        >>> multiplied([np.eye(2), 2 * np.eye(2)]).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    return reduce(lambda below, above: above @ below, factors)


def imbalance(factors: Sequence["ArrayLike | Tensor"]) -> Floats:
    """``‖W_{j+1}ᵀ W_{j+1} - W_j W_jᵀ‖_F`` of neighbours: 0 where they are balanced.

    Gradient flow keeps the matrix in the norm as it is, so in training by steps its drift measures how far
    the steps are from the flow.

    Args:
        factors: As in :func:`product`.

    Returns:
        Shape ``[N - 1]``.

    Example:
        >>> imbalance([np.eye(2), 2 * np.eye(2)]).round(3).tolist()
        [4.243]
    """
    given = fitting(factors)
    return np.array([np.linalg.norm(above.T @ above - below @ below.T) for below, above in pairwise(given)])


def balanced_factors(W: "ArrayLike | Tensor", depth: int) -> list[Floats]:
    """Factors of W that are balanced: each has the singular values ``σ^(1/N)``.

    Args:
        W: Shape ``[p, q]``.
        depth: N, how many factors; the width between them is ``min(p, q)``.

    Returns:
        The factors, whose :func:`product` is W.

    Raises:
        InputError: If ``depth`` is below 1.

    Example:
        >>> [float(factor[0, 0]) for factor in balanced_factors([[8.0]], 3)]
        [2.0, 2.0, 2.0]
    """
    U, s, Vt = np.linalg.svd(numbers("W", W, shape="[p, q]", dimensions=2), full_matrices=False)
    check_depth(depth)
    root = np.diag(s ** (1 / depth))
    factors = [root.copy() for _ in range(depth)]
    factors[0] = factors[0] @ Vt
    factors[-1] = U @ factors[-1]
    return factors


def factor_gradients(factors: Sequence["ArrayLike | Tensor"], gradient: "ArrayLike | Tensor") -> list[Floats]:
    """Gradient for each factor, from the gradient G for the product: ``(W_N ⋯ W_{j+1})ᵀ G (W_{j-1} ⋯ W_1)ᵀ``.

    Args:
        factors: As in :func:`product`.
        gradient: G, of the product's shape.

    Example:
        >>> factor_gradients([[[2.0]], [[5.0]]], [[1.0]])
        [array([[5.]]), array([[2.]])]
    """
    given = fitting(factors)
    G = numbers("gradient", gradient, shape="[p, q]", dimensions=2)
    if G.shape != (given[-1].shape[0], given[0].shape[1]):
        raise InputError(
            f"`gradient` must have the shape of the product, {(given[-1].shape[0], given[0].shape[1])}. "
            f"Got {G.shape}."
        )
    return backward(given, G)


def backward(factors: Sequence[Floats], gradient: Floats) -> list[Floats]:
    """:func:`factor_gradients` of matrices that are known to fit.

    Example:
        >>> backward([np.eye(1)], np.ones((1, 1)))
        [array([[1.]])]
    """
    below = [np.eye(factors[0].shape[1])]
    for factor in factors[:-1]:
        below.append(factor @ below[-1])
    gradients = []
    above = gradient  # (W_N ⋯ W_{j+1})ᵀ G
    for factor, under in zip(reversed(factors), reversed(below), strict=True):
        gradients.append(above @ under.T)
        above = factor.T @ above
    return gradients[::-1]


def fitting(factors: Sequence["ArrayLike | Tensor"]) -> list[Floats]:
    """Factors as matrices whose shapes fit each other.

    Example:
        >>> len(fitting([[[1]], [[2]]]))
        2
    """
    given = [numbers(f"factors[{j}]", W, shape="[p, q]", dimensions=2) for j, W in enumerate(factors)]
    if not given:
        raise InputError("`factors` must be at least one matrix. Got none.")
    for j, (below, above) in enumerate(pairwise(given)):
        if above.shape[1] != below.shape[0]:
            raise InputError(
                f"`factors` must fit each other, the first applied first. Got factors[{j}] of shape "
                f"{below.shape} under factors[{j + 1}] of shape {above.shape}."
            )
    return given


def check_depth(depth: int) -> None:
    """Raise unless there is at least one factor.

    Example:
        >>> check_depth(1)
    """
    if depth < 1:
        raise InputError(f"`depth` must be at least 1 factor. Got {depth}.")
