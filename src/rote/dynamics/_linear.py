"""Linear regression by gradient descent: where it ends, how fast, and when it blows up.

Throughout, X is ``[n, d]``, the error is ``e_t = w_t - w_∞``, V the span of the rows of X, and λ the non-zero
eigenvalues of ``XᵀX``. The loss is a sum over the examples, not a mean: ``½‖Xw - y‖²`` (``halved=True``) or
``‖Xw - y‖²`` (``halved=False``). A gradient step multiplies the error along an eigenvector by ``1 - rate·λ``,
or by ``1 - 2·rate·λ``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import numbers
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


def minimum_norm(
    X: "ArrayLike | Tensor", y: "ArrayLike | Tensor", w0: "ArrayLike | Tensor | None" = None
) -> Floats:
    """Where gradient descent, and SGD with a solution to go to, end: ``X⁺y + P w₀``, P off the rows of X.

    From 0 this is the solution of least norm; from elsewhere, the one nearest to ``w0``.

    Args:
        X: Shape ``[n, d]``.
        y: Shape ``[n]``.
        w0: Where descent starts, shape ``[d]``; 0 unless given.

    Returns:
        Shape ``[d]``.

    Raises:
        InputError: If shapes disagree or a number is not finite.

    Example:
        >>> minimum_norm([[1, 1]], [2]).round(6).tolist()
        [1.0, 1.0]
        >>> minimum_norm([[1, 1]], [2], w0=[5, 1]).round(6).tolist()
        [3.0, -1.0]
    """
    A, b, start = problem(X, y, w0)
    step = np.linalg.lstsq(A, b - A @ start, rcond=None)[0]
    return np.asarray(start + step, np.float64)


@dataclass(frozen=True)
class Spectrum:
    """What the eigenvalues of ``XᵀX`` say of gradient descent.

    Attributes:
        eigenvalues: Those that are not 0, from the largest on, shape ``[rank]``.
        dimensions: d, of which ``d - rank`` never move.
        halved: Whether the loss is ``½‖Xw - y‖²``.

    Example:
        >>> Spectrum(np.array([4.0, 1.0]), 3, True)
        Spectrum(rank=2 of 3, condition=4, edge=0.5, halved=True)
    """

    eigenvalues: Floats
    dimensions: int
    halved: bool

    def __repr__(self) -> str:
        return (
            f"Spectrum(rank={len(self.eigenvalues)} of {self.dimensions}, condition={self.condition:.4g}, "
            f"edge={self.edge:.4g}, halved={self.halved})"
        )

    @property
    def condition(self) -> float:
        """λmax/λmin over the eigenvalues that are not 0: the square of the condition number of X."""
        return float(self.eigenvalues[0] / self.eigenvalues[-1])

    @property
    def edge(self) -> float:
        """The learning rate from which on descent diverges: ``2/λmax``, or ``1/λmax`` without the half."""
        return (2 if self.halved else 1) / float(self.eigenvalues[0])

    @property
    def best_rate(self) -> float:
        """The learning rate that shrinks the error fastest: ``2/(λmax + λmin)``, or half of it."""
        return (2 if self.halved else 1) / float(self.eigenvalues[0] + self.eigenvalues[-1])

    def shrinkage(self, rate: float) -> float:
        """What the error in V is multiplied by in each step, in the long run: ``max |1 - rate·λ|``.

        At ``1/λmax`` this is ``1 - 1/κ``, at ``best_rate`` ``(κ - 1)/(κ + 1)``, κ the condition; above 1 from
        ``edge`` on.
        """
        scale = rate if self.halved else 2 * rate
        return float(np.abs(1 - scale * self.eigenvalues[[0, -1]]).max())


def spectrum(X: "ArrayLike | Tensor", *, halved: bool = True) -> Spectrum:
    """Non-zero eigenvalues of ``XᵀX``: the stable learning rates and the speed of gradient descent.

    Args:
        X: Shape ``[n, d]``.
        halved: Whether the loss is ``½‖Xw - y‖²``; else ``‖Xw - y‖²``, whose gradient is twice as large.

    Raises:
        InputError: If X is 0 or not finite.

    Example:
        >>> found = spectrum([[2, 0, 0], [0, 1, 0]])
        >>> found
        Spectrum(rank=2 of 3, condition=4, edge=0.5, halved=True)
        >>> [round(found.shrinkage(rate), 3) for rate in (0.25, found.best_rate, 0.6)]
        [0.75, 0.6, 1.4]
    """
    A = numbers("X", X, shape="[n, d]", dimensions=2)
    s = np.linalg.svd(A, compute_uv=False)
    kept = s[s > s[0] * max(A.shape) * np.finfo(float).eps]
    if not len(kept):
        raise InputError("`X` must not be 0 everywhere: there is nothing to learn from it.")
    return Spectrum(kept**2, A.shape[1], halved)


def kaczmarz_bound(X: "ArrayLike | Tensor") -> float:
    """Bound on what ``E‖e‖²`` is multiplied by in each step of :func:`kaczmarz`: ``1 - σmin²/‖X‖_F²``.

    σmin is the least singular value that is not 0 (Strohmer & Vershynin 2009, arXiv math/0702226).

    Args:
        X: Shape ``[n, d]``.

    Raises:
        InputError: If X is 0 or not finite.

    Example:
        >>> kaczmarz_bound([[1, 0], [0, 1]])  # exactly what happens: every second step ends one error
        0.5
    """
    eigenvalues = spectrum(X).eigenvalues
    return float(1 - eigenvalues[-1] / eigenvalues.sum())


@dataclass(frozen=True)
class Descent:
    """How far a run was from where it ends.

    Attributes:
        w: The last iterate, shape ``[d]``.
        errors: ``‖w_t - w_∞‖`` before and after each step, shape ``[steps + 1]``; infinite after overflow.
        limit: ``w_∞``, shape ``[d]``.

    Example:
        >>> Descent(np.zeros(2), np.array([4.0, 2.0, 1.0]), np.zeros(2))
        Descent(steps=2, error 4 to 1)
    """

    w: Floats
    errors: Floats
    limit: Floats

    def __repr__(self) -> str:
        return f"Descent(steps={len(self.errors) - 1}, error {self.errors[0]:.3g} to {self.errors[-1]:.3g})"

    @property
    def shrinkage(self) -> float:
        """Factor of the error in a step, from its second half: the long run, where the slowest is left."""
        errors = self.errors[len(self.errors) // 2 :]
        if not (len(errors) > 1 and np.isfinite(errors).all() and errors.min() > 0):
            return float("nan")
        return float((errors[-1] / errors[0]) ** (1 / (len(errors) - 1)))


def descend(
    X: "ArrayLike | Tensor",
    y: "ArrayLike | Tensor",
    *,
    rate: float,
    steps: int,
    w0: "ArrayLike | Tensor | None" = None,
    halved: bool = True,
) -> Descent:
    """Gradient descent on the whole sample: ``w ← w - rate · Xᵀ(Xw - y)``, or twice that step.

    Args:
        X: Shape ``[n, d]``.
        y: Shape ``[n]``.
        rate: Learning rate.
        steps: How many.
        w0: Start, shape ``[d]``; 0 unless given.
        halved: Whether the loss is ``½‖Xw - y‖²``; else ``‖Xw - y‖²``.

    Raises:
        InputError: If shapes disagree, or ``rate`` or ``steps`` is not positive.

    Example:
        >>> descend([[2, 0], [0, 1]], [2, 1], rate=0.25, steps=2).errors.round(4).tolist()
        [1.4142, 0.75, 0.5625]
    """
    A, b, w = problem(X, y, w0)
    check_steps(rate, steps)
    limit = minimum_norm(A, b, w)
    scale = rate if halved else 2 * rate
    errors = [float(np.linalg.norm(w - limit))]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            w = w - scale * ((A @ w - b) @ A)
            errors.append(float(np.linalg.norm(w - limit)))
    return Descent(w, np.nan_to_num(np.array(errors), nan=np.inf, posinf=np.inf), limit)


def problem(
    X: "ArrayLike | Tensor", y: "ArrayLike | Tensor", w0: "ArrayLike | Tensor | None"
) -> tuple[Floats, Floats, Floats]:
    """X, y and a start of shapes that fit each other.

    Example:
        >>> problem([[1, 2]], [3], None)[2].tolist()
        [0.0, 0.0]
    """
    A = numbers("X", X, shape="[n, d]", dimensions=2)
    b = numbers("y", y, shape="[n]", dimensions=1)
    w = np.zeros(A.shape[1]) if w0 is None else numbers("w0", w0, shape="[d]", dimensions=1)
    if len(b) != len(A) or len(w) != A.shape[1]:
        raise InputError(
            f"`y` and `w0` must fit X of shape {A.shape}: {len(A)} and {A.shape[1]} numbers. "
            f"Got {len(b)} and {len(w)}."
        )
    return A, b, w


def check_steps(rate: float, steps: int) -> None:
    """Raise unless the learning rate and the number of steps are positive.

    Example:
        >>> check_steps(0.1, 10)
    """
    if not (0 < rate < np.inf and steps >= 1):
        raise InputError(f"`rate` must be above 0 and finite and `steps` at least 1. Got {rate} and {steps}.")
