"""Singular values of a deep linear network on their own: each mode waits, then jumps, the largest first."""

import numpy as np
from numpy.typing import ArrayLike

from rote.dynamics._deep_linear import check_times
from rote.dynamics._factors import Floats, check_depth
from rote.errors import InputError


def mode_velocity(s: ArrayLike, projection: ArrayLike, depth: int, *, tied: bool = False) -> Floats:
    """``ds/dt = -N s^(2 - 2/N) · uᵀGv`` of singular values under gradient flow of N balanced factors.

    N = 1 is the plain flow; a small mode is slowed as s at N = 2, and as s² where N → ∞ (Arora, Cohen, Hu &
    Luo 2019, arXiv 1905.13655).

    Args:
        s: Singular values of the product, any shape.
        projection: ``u_rᵀ G v_r`` of each, G the gradient at the product and u_r, v_r its singular vectors.
        depth: N.
        tied: Whether all factors are one symmetric matrix that commutes with G: then N² takes the place of N.

    Raises:
        InputError: If a singular value is negative or ``depth`` is below 1.

    Example:
        >>> mode_velocity([4.0], [1.0], depth=2), mode_velocity([4.0], [1.0], depth=2, tied=True)
        (array([-8.]), array([-16.]))
    """
    values = np.asarray(s, np.float64)
    check_depth(depth)
    if values.size and not values.min() >= 0:
        raise InputError(f"`s` must be singular values, 0 or more. Got {values.min()}.")
    velocity: Floats = -_prefactor(depth, tied) * values ** (2 - 2 / depth) * np.asarray(projection)
    return velocity


def mode_curve(start: float, target: float, depth: int, times: ArrayLike, *, tied: bool = False) -> Floats:
    """One mode over time where the loss is ``½(s - target)²``, as in matrix factorisation of full data.

    Args:
        start: s at time 0, above 0.
        target: Where it goes, above 0.
        depth: N.
        times: Rising from 0 on, shape ``[T]``.
        tied: As in :func:`mode_velocity`.

    Returns:
        Shape ``[T]``.

    Raises:
        InputError: If a number is not positive or ``times`` do not rise.

    Example:
        >>> mode_curve(0.001, 1, 3, [0, 8, 9, 10, 12]).round(2).tolist()
        [0.0, 0.11, 0.42, 0.91, 1.0]
    """
    from scipy.integrate import solve_ivp

    _check(start, target, depth)
    t = check_times(times)
    speed, power = _prefactor(depth, tied), 1 - 2 / depth

    def flow(_: float, x: Floats) -> Floats:  # of ln s, which does not leave the positive numbers
        grown: Floats = speed * np.exp(power * x) * (target - np.exp(x))
        return grown

    end = max(float(t[-1]), 1e-12)
    solution = solve_ivp(flow, (0.0, end), [np.log(start)], t_eval=t, method="LSODA", rtol=1e-9, atol=1e-11)
    curve: Floats = np.exp(solution.y[0])
    return curve


def mode_time(start: float, target: float, depth: int, *, share: float = 0.5, tied: bool = False) -> float:
    """How long a mode takes from ``start`` to a share of its target, by the integral of ``1/(ds/dt)``.

    For N = 1 this is ``ln((target - start)/(target - s))``, for N = 2 a logistic curve's
    ``ln(s (target - start)/(start (target - s)))/(2 target)``.

    Args:
        start: s at time 0, above 0.
        target: Where it goes, above ``start``.
        depth: N.
        share: Of the target, above ``start/target`` and below 1.
        tied: As in :func:`mode_velocity`.

    Raises:
        InputError: If the share is not between start and target.

    Example:
        >>> [round(mode_time(1e-3, target, depth=3), 1) for target in (1, 0.5, 0.25)]  # one after the other
        [9.1, 17.8, 34.5]
    """
    from scipy.integrate import quad

    _check(start, target, depth)
    if not start < share * target < target:
        raise InputError(
            f"`share` must be between start/target = {start / target:g} and 1, for the mode to get there. "
            f"Got {share}."
        )
    power = 1 - 2 / depth
    inverse = quad(
        lambda x: np.exp(-power * x) / (target - np.exp(x)), np.log(start), np.log(share * target), limit=200
    )[0]
    return float(inverse) / _prefactor(depth, tied)


def _prefactor(depth: int, tied: bool) -> int:
    return depth**2 if tied else depth


def _check(start: float, target: float, depth: int) -> None:
    check_depth(depth)
    if not (0 < start < np.inf and 0 < target < np.inf):
        raise InputError(f"`start` and `target` must be above 0 and finite. Got {start} and {target}.")
