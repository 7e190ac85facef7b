"""Linear regression one example at a time: SGD on single rows, and Kaczmarz's method."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._linear import Descent, check_steps, minimum_norm, problem
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


def single_example_sgd(
    X: "ArrayLike | Tensor",
    y: "ArrayLike | Tensor",
    *,
    rate: float,
    steps: int,
    w0: "ArrayLike | Tensor | None" = None,
    halved: bool = True,
    seed: int = 0,
) -> Descent:
    """SGD on one example drawn uniformly in each step: ``w ← w + rate · (y_i - x_i·w) x_i``, or twice that.

    It never leaves ``w0 + V``, V the span of the rows. Where a solution exists it ends at
    :func:`minimum_norm`, if ``rate < 2/‖x_i‖²`` for every example (``1/‖x_i‖²`` without the half); with more
    examples than dimensions and noise it wanders around the least-squares solution.

    Args:
        X: Shape ``[n, d]``.
        y: Shape ``[n]``.
        rate: Learning rate.
        steps: How many.
        w0: Start, shape ``[d]``; 0 unless given.
        halved: Whether the loss of an example is ``½(x·w - y)²``; else ``(x·w - y)²``.
        seed: Of the draws.

    Returns:
        The run, its errors against ``minimum_norm(X, y, w0)``.

    Raises:
        InputError: If shapes disagree, or ``rate`` or ``steps`` is not positive.

    Example:
        >>> found = single_example_sgd([[1, 1, 0], [0, 1, 1]], [1, 2], rate=0.5, steps=200, w0=[0, 0, 9])
        >>> bool(np.allclose(found.w, minimum_norm([[1, 1, 0], [0, 1, 1]], [1, 2], [0, 0, 9])))
        True
    """
    A, b, w = problem(X, y, w0)
    check_steps(rate, steps)
    scale = rate if halved else 2 * rate
    drawn = np.random.default_rng(seed).integers(0, len(A), steps)
    return _run(A, b, w, drawn, lambda _: scale)


def kaczmarz(
    X: "ArrayLike | Tensor",
    y: "ArrayLike | Tensor",
    *,
    steps: int,
    w0: "ArrayLike | Tensor | None" = None,
    seed: int = 0,
) -> Descent:
    """SGD that draws rows in proportion to ``‖x_i‖²`` and solves each it draws: rate ``1/‖x_i‖²``.

    Where a solution exists, ``E‖e_t‖² ≤ kaczmarz_bound(X)^t ‖e_0‖²`` (Strohmer & Vershynin 2009,
    arXiv math/0702226).

    Args:
        X: Shape ``[n, d]``.
        y: Shape ``[n]``.
        steps: How many.
        w0: Start, shape ``[d]``; 0 unless given.
        seed: Of the draws.

    Raises:
        InputError: If shapes disagree, X is 0, or there are no steps.

    Example:
        >>> kaczmarz([[3, 0], [0, 1]], [3, 1], steps=60)
        Descent(steps=60, error 1.41 to 0)
    """
    A, b, w = problem(X, y, w0)
    check_steps(1.0, steps)
    squares = (A**2).sum(1)
    if not squares.sum() > 0:
        raise InputError("`X` must not be 0 everywhere: there is nothing to learn from it.")
    drawn = np.random.default_rng(seed).choice(len(A), size=steps, p=squares / squares.sum())
    return _run(A, b, w, drawn, lambda i: 1 / float(squares[i]))


def _run(A: Floats, b: Floats, w: Floats, drawn: NDArray[np.int64], rate: Callable[[int], float]) -> Descent:
    limit = minimum_norm(A, b, w)
    w = w.copy()
    errors = np.empty(len(drawn) + 1)
    errors[0] = np.linalg.norm(w - limit)
    with np.errstate(over="ignore", invalid="ignore"):
        for step, i in enumerate(drawn.tolist(), start=1):
            x = A[i]
            w += rate(i) * (b[i] - x @ w) * x
            errors[step] = np.linalg.norm(w - limit)
    return Descent(w, np.nan_to_num(errors, nan=np.inf, posinf=np.inf), limit)
