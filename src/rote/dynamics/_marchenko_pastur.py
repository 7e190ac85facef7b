"""Eigenvalues of ``XᵀX/n`` for X of independent entries: their law, and the condition number in its limit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import numbers
from rote.dynamics._linear import spectrum
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MarchenkoPastur:
    """The limit of the eigenvalues of ``XᵀX/n``, X ``[n, d]`` of independent entries, n and d large.

    Attributes:
        ratio: γ = d/n.
        variance: s² of an entry.

    Raises:
        InputError: If one is not positive.

    Example:
        >>> law = MarchenkoPastur(0.25)
        >>> law.edges, law.atom, round(law.condition, 6)
        ((0.25, 2.25), 0.0, 9.0)
        >>> round(MarchenkoPastur(4).condition, 6), MarchenkoPastur(4).atom  # as much apart, and zeros
        (9.0, 0.75)
    """

    ratio: float
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.ratio < np.inf and 0 < self.variance < np.inf):
            raise InputError(
                f"`ratio` (dimensions by examples) and `variance` must be above 0 and finite. "
                f"Got {self.ratio} and {self.variance}."
            )

    @property
    def edges(self) -> tuple[float, float]:
        """Least and largest eigenvalue that is not 0: ``s²(1 ∓ √γ)²``."""
        root = float(np.sqrt(self.ratio))
        return self.variance * (1 - root) ** 2, self.variance * (1 + root) ** 2

    @property
    def atom(self) -> float:
        """Share of eigenvalues that are 0: ``1 - 1/γ`` where there are more dimensions than examples."""
        return max(0.0, 1 - 1 / self.ratio)

    @property
    def condition(self) -> float:
        """λmax/λmin over what is not 0: ``((1 + √γ)/(1 - √γ))²``, the same for γ and 1/γ; infinite at 1."""
        low, high = self.edges
        return high / low if low else float("inf")

    def density(self, x: "ArrayLike | Tensor") -> NDArray[np.float64]:
        """Density at eigenvalues ``x``, any shape; its integral is ``1 - atom``."""
        given = np.asarray(x, np.float64)
        low, high = self.edges
        inside = (given > max(low, 0)) & (given < high)
        at = np.where(inside, given, 1.0)
        root = np.sqrt(np.clip((high - at) * (at - low), 0, None))
        return np.where(inside, root / (2 * np.pi * self.variance * self.ratio * at), 0.0)


@dataclass(frozen=True)
class Conditioning:
    """What was measured beside the law.

    Attributes:
        eigenvalues: Of ``XᵀX/n``, those that are not 0, from the largest on.
        law: What independent entries of the same variance would give.

    Example:
        >>> Conditioning(np.array([2.0, 0.25]), MarchenkoPastur(0.25))
        Conditioning(measured=8, theory=9)
    """

    eigenvalues: NDArray[np.float64]
    law: MarchenkoPastur

    @property
    def condition(self) -> float:
        """λmax/λmin as measured."""
        return float(self.eigenvalues[0] / self.eigenvalues[-1])

    def __repr__(self) -> str:
        return f"Conditioning(measured={self.condition:.4g}, theory={self.law.condition:.4g})"


def conditioning(X: "ArrayLike | Tensor") -> Conditioning:
    """Eigenvalues of ``XᵀX/n`` beside those of independent entries of the same shape and variance.

    With many more examples than dimensions all directions are alike; with about as many, gradient descent
    hardly moves along some; with many more dimensions, most of them never move and the rest is alike again.

    Args:
        X: Shape ``[n, d]``, centred by you if you wish; the variance is the mean square of its entries.

    Raises:
        InputError: If X is 0 or not finite.

    Example:
        >>> conditioning(np.random.default_rng(0).standard_normal((400, 100)))
        Conditioning(measured=7.943, theory=9)
    """
    A = numbers("X", X, shape="[n, d]", dimensions=2)
    n, d = A.shape
    return Conditioning(spectrum(A).eigenvalues / n, MarchenkoPastur(d / n, float((A**2).mean())))
