"""Gradient flow of deep linear networks: the end-to-end matrix in closed form, and the factors step by step.

The product W of N factors, started balanced, moves on its own: by its gradient under an operator made of W
(Arora, Cohen & Hazan 2018, arXiv 1802.06509). Untied factors each move by their own gradient, and along a
singular direction of W the flow is ``N σ^(2 - 2/N)`` times the plain one. Where all factors are the *same*
symmetric matrix it is ``N² σ^(2 - 2/N)`` times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._factors import Floats, backward, check_depth, fitting, imbalance, multiplied
from rote.dynamics._given import numbers
from rote.dynamics._linear import check_steps
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

BLOWN_UP = 1e12  # an entry of a factor so large comes of too large a step

Gradient = Callable[[Floats], Floats]


def end_to_end_velocity(W: "ArrayLike | Tensor", gradient: "ArrayLike | Tensor", depth: int) -> Floats:
    """``dW/dt = -Σ_j [WWᵀ]^((j-1)/N) G [WᵀW]^((N-j)/N)`` of untied, balanced factors under gradient flow.

    Args:
        W: The product, shape ``[p, q]``.
        gradient: G, the gradient of the loss at W, the same shape.
        depth: N, how many factors.

    Returns:
        Shape ``[p, q]``.

    Raises:
        InputError: If shapes disagree or ``depth`` is below 1.

    Example:
        >>> end_to_end_velocity([[4.0]], [[1.0]], depth=2)  # 2 · 4^(2 - 2/2)
        array([[-8.]])
    """
    A, G = _alike(W, gradient)
    check_depth(depth)
    return _velocity(A, G, depth)


def _velocity(W: Floats, G: Floats, depth: int) -> Floats:
    U, s, Vt = np.linalg.svd(W)
    left, right = np.zeros(len(U)), np.zeros(len(Vt))
    left[: len(s)] = right[: len(s)] = s
    exponents = 2 * np.arange(depth) / depth
    weights = np.einsum("pj,qj->pq", left[:, None] ** exponents, right[:, None] ** exponents[::-1])
    velocity: Floats = -U @ (weights * (U.T @ G @ Vt.T)) @ Vt
    return velocity


def tied_velocity(A: "ArrayLike | Tensor", gradient: "ArrayLike | Tensor", depth: int) -> Floats:
    """``dB/dt`` of ``B = A^N``, all N factors the same symmetric A under gradient flow.

    In A's eigenbasis, with eigenvalues a, entry (p, q) is ``-G_pq (Σ_{j<N} a_p^j a_q^(N-1-j))²``. At N = 2
    that is ``-(A²G + 2AGA + GA²)``.

    Args:
        A: The factor, symmetric, shape ``[d, d]``.
        gradient: G, the gradient of the loss at B, symmetric, the same shape.
        depth: N.

    Returns:
        Shape ``[d, d]``.

    Raises:
        InputError: If a matrix is not symmetric, shapes disagree or ``depth`` is below 1.

    Example:
        >>> tied_velocity([[2.0]], [[1.0]], depth=2)  # 2² · 4^(2 - 2/2), for B is 4
        array([[-16.]])
    """
    given, G = _alike(A, gradient)
    check_depth(depth)
    for name, matrix in (("A", given), ("gradient", G)):
        if matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T, atol=1e-12):
            raise InputError(f"`{name}` must be symmetric. Got shape {matrix.shape} with another transpose.")
    a, Q = np.linalg.eigh(given)
    powers = np.arange(depth)
    weights = np.einsum("pj,qj->pq", a[:, None] ** powers, a[:, None] ** powers[::-1])
    velocity: Floats = -Q @ (weights**2 * (Q.T @ G @ Q)) @ Q.T
    return velocity


def end_to_end_flow(W0: "ArrayLike | Tensor", gradient: Gradient, depth: int, times: ArrayLike) -> Floats:
    """Gradient flow of the product of N untied, balanced factors, from the closed form of its velocity.

    Args:
        W0: The product at time 0, shape ``[p, q]``.
        gradient: Of the loss, from ``[p, q]`` to ``[p, q]``.
        depth: N.
        times: When to look, rising from 0 on, shape ``[T]``.

    Returns:
        Shape ``[T, p, q]``.

    Raises:
        InputError: If ``times`` do not rise, shapes disagree, or the flow leaves every bound.

    Example:
        >>> paths = end_to_end_flow([[0.1]], lambda W: W - 1, 2, [0, 1, 5])  # towards 1
        >>> paths[:, 0, 0].round(3).tolist()
        [0.1, 0.451, 1.0]
    """
    from scipy.integrate import solve_ivp

    W = numbers("W0", W0, shape="[p, q]", dimensions=2)
    t = check_times(times)
    check_depth(depth)
    _alike(W, gradient(W))

    def flow(_: float, flat: Floats) -> NDArray[np.float64]:
        now = flat.reshape(W.shape)
        return _velocity(now, np.asarray(gradient(now), np.float64), depth).ravel()

    solution = solve_ivp(flow, (0.0, max(float(t[-1]), 1e-12)), W.ravel(), t_eval=t, rtol=1e-8, atol=1e-12)
    if not solution.success:
        raise InputError(
            f"`gradient` must let the flow go on to time {t[-1]:g}. It stopped: {solution.message}"
        )
    path: Floats = solution.y.T.reshape(len(t), *W.shape)
    return path


@dataclass(frozen=True)
class FactorRun:
    """Gradient descent on factors, looked at now and then.

    Attributes:
        steps: After how many steps, shape ``[T]``.
        products: The end-to-end matrix, shape ``[T, p, q]``.
        imbalances: As :func:`rote.dynamics.imbalance`, shape ``[T, N - 1]``; ``[T, 0]`` of tied factors.
        factors: At the end.

    Example:
        >>> FactorRun(np.array([0, 5]), np.zeros((2, 1, 1)), np.zeros((2, 1)), (np.eye(1), np.eye(1)))
        FactorRun(factors=2, steps=5, looks=2)
    """

    steps: NDArray[np.int64]
    products: Floats
    imbalances: Floats
    factors: tuple[Floats, ...]

    def __repr__(self) -> str:
        return f"FactorRun(factors={len(self.factors)}, steps={self.steps[-1]}, looks={len(self.steps)})"


def descend_factors(
    factors: Sequence["ArrayLike | Tensor"],
    gradient: Gradient,
    *,
    rate: float,
    steps: int,
    every: int = 1,
    tied: bool = False,
) -> FactorRun:
    """Gradient descent on each factor, all at once: with small steps it follows the flow, N untied or tied.

    Args:
        factors: ``[W_1, …, W_N]``, the first applied first; where they are tied, N times the same matrix.
        gradient: Of the loss at the product, from ``[p, q]`` to ``[p, q]``.
        rate: Learning rate; step t is time ``rate · t`` of the flow.
        steps: How many.
        every: Look at the product after so many steps, and at the end.
        tied: Whether all factors are one, which moves by the sum of their gradients.

    Raises:
        InputError: If shapes or tied factors disagree, an option is out of range, or the run blows up.

    Example:
        >>> start = [0.5 * np.eye(1)] * 2
        >>> run = descend_factors(start, lambda W: W - 1, rate=0.1, steps=100, every=50)
        >>> run, run.products[:, 0, 0].round(3).tolist()
        (FactorRun(factors=2, steps=100, looks=3), [0.25, 1.0, 1.0])
    """
    given = fitting(factors)
    check_steps(rate, steps)
    if every < 1:
        raise InputError(f"`every` must be at least 1 step. Got {every}.")
    if tied and any(W.shape != given[0].shape or not np.array_equal(W, given[0]) for W in given):
        raise InputError("`factors` must be the same matrix N times where `tied` is true. They differ.")
    looks, products, imbalances = [], [], []
    for step in range(steps + 1):
        W = multiplied(given)
        if step % every == 0 or step == steps:
            looks.append(step)
            products.append(W)
            imbalances.append(np.zeros(0) if tied else imbalance(given))
        if step == steps:
            break
        moves = backward(given, _alike(W, gradient(W))[1])
        moves = [sum(moves, np.zeros_like(moves[0]))] * len(moves) if tied else moves
        given = [factor - rate * move for factor, move in zip(given, moves, strict=True)]
        if not max(np.abs(factor).max() for factor in given) < BLOWN_UP:
            raise InputError(
                f"`rate` must be small enough to descend. Got {rate}, at which step {step + 1} blew up."
            )
    return FactorRun(np.array(looks, np.int64), np.array(products), np.array(imbalances), tuple(given))


def _alike(W: "ArrayLike | Tensor", gradient: "ArrayLike | Tensor") -> tuple[Floats, Floats]:
    A = numbers("W", W, shape="[p, q]", dimensions=2)
    G = numbers("gradient", gradient, shape="[p, q]", dimensions=2)
    if A.shape != G.shape:
        raise InputError(f"`gradient` must have shape {A.shape}, as W has. Got {G.shape}.")
    return A, G


def check_times(times: ArrayLike) -> Floats:
    """Times that rise from 0 on.

    Example:
        >>> check_times([0, 1])
        array([0., 1.])
    """
    t = numbers("times", times, shape="[T]", dimensions=1)
    if t[0] < 0 or (np.diff(t) <= 0).any():
        raise InputError("`times` must rise, from 0 or later on. These do not.")
    return t
