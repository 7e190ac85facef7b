"""Fourier spectra of functions on {-1,1}^n, all 2^n values known.

A point is numbered by its bits: x_j = (-1)^(bit j of its number), so that point 0 is all ones. A subset S of
the coordinates is numbered the same way, and its parity is χ_S(x) = Π_{j in S} x_j.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.errors import InputError

MOST_COORDINATES = 20  # of a list of all points: 2^20 · 20 floats are 160 MiB


def hypercube(n: int) -> NDArray[np.float64]:
    """All points of {-1,1}^n in the order that :func:`walsh_hadamard` wants.

    Args:
        n: Coordinates, 0 to 20.

    Returns:
        Shape ``[2^n, n]``.

    Raises:
        InputError: If n is out of range.

    Example:
        >>> hypercube(2).astype(int).tolist()
        [[1, 1], [-1, 1], [1, -1], [-1, -1]]
    """
    if not 0 <= n <= MOST_COORDINATES:
        raise InputError(f"`n` must be 0 to {MOST_COORDINATES}, for all 2^n points are listed. Got {n}.")
    bits = np.arange(1 << n)[:, None] >> np.arange(n) & 1
    return (1 - 2 * bits).astype(np.float64)


def walsh_hadamard(values: ArrayLike) -> NDArray[np.float64]:
    """Fourier coefficients ``E_x[f(x) χ_S(x)]`` of each function, x uniform on {-1,1}^n.

    The fast transform: n · 2^n additions a function. It is its own inverse up to the factor 2^n.

    Args:
        values: The values at the points of :func:`hypercube`, shape ``[..., 2^n]``.

    Returns:
        Shape ``[..., 2^n]``, float64; place S holds the coefficient of the subset whose bits S has.

    Raises:
        InputError: If the last dimension is no power of two.

    Example:
        >>> x = hypercube(3)
        >>> walsh_hadamard(2 + x[:, 0] * x[:, 2]).tolist()  # the empty subset, and 0b101
        [2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """
    result = np.array(values, np.float64, order="C")
    points = result.shape[-1] if result.ndim else 0
    if points < 1 or points & (points - 1):
        raise InputError(
            f"`values` must have one value for each of the 2^n points in its last dimension. "
            f"Got shape {result.shape}."
        )
    result /= points
    half = 1
    while half < points:
        pairs = result.reshape(-1, 2, half)  # a view, for `result` is contiguous
        sums = pairs[:, 0] + pairs[:, 1]
        np.subtract(pairs[:, 0], pairs[:, 1], out=pairs[:, 1])
        pairs[:, 0] = sums
        half *= 2
    return result


@dataclass(frozen=True)
class FourierMass:
    """How much of each function is of which degree.

    Attributes:
        mass: ``Σ_{|S|=k} f̂(S)²`` of each function, shape ``[units, n + 1]``, degree k along the last
            dimension. A row sums to ``E[f²]``.

    Example:
        >>> FourierMass(np.array([[0.0, 0.5, 0.5]]))
        FourierMass(units=1, n=2, degree=1.5)
    """

    mass: NDArray[np.float64]

    def __repr__(self) -> str:
        degree = self.degree
        mean = float(np.mean(degree)) if len(degree) else 0.0
        return f"FourierMass(units={len(self.mass)}, n={self.mass.shape[1] - 1}, degree={mean:.3g})"

    @property
    def share(self) -> NDArray[np.float64]:
        """Shares of the degrees 1 to n in what varies, shape ``[units, n]``; 0 for a constant."""
        varying = self.mass[:, 1:]
        total = varying.sum(1, keepdims=True)
        result: NDArray[np.float64] = np.divide(varying, total, out=np.zeros_like(varying), where=total > 0)
        return result

    @property
    def degree(self) -> NDArray[np.float64]:
        """Mean degree of what varies, shape ``[units]``: total influence over variance; 0 for a constant."""
        result: NDArray[np.float64] = self.share @ np.arange(1, self.mass.shape[1])
        return result


def fourier_mass(values: ArrayLike) -> FourierMass:
    """Fourier mass of each unit by degree, exactly: its complexity spectrum.

    A linear unit has degree 1 only, a parity of k coordinates degree k only. For the units of a layer take
    ``fourier_mass(features.T)``, where the model was given :func:`hypercube`, all points in their order.

    Args:
        values: Shape ``[units, 2^n]``, or ``[2^n]`` for one.

    Raises:
        InputError: If the shape is another, the last dimension no power of two, or a value not finite.

    Example:
        >>> x = hypercube(3)
        >>> fourier_mass(np.sign(x.sum(1))).mass.tolist()  # the majority of three
        [[0.0, 0.75, 0.0, 0.25]]
    """
    rows = np.atleast_2d(np.asarray(values, np.float64))
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError(f"`values` must be finite numbers of shape [units, 2^n]. Got shape {rows.shape}.")
    squares = walsh_hadamard(rows) ** 2
    degrees = np.bitwise_count(np.arange(squares.shape[1]))
    n = int(degrees[-1])
    mass = np.stack([squares[:, degrees == k].sum(1) for k in range(n + 1)], axis=1)
    # What rounding leaves where nothing is would look like a degree of its own.
    mass[mass < 1e-28 * squares.sum(1, keepdims=True)] = 0
    return FourierMass(mass)
