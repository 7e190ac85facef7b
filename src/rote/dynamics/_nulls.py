"""What each similarity index says of layers that have nothing in common."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from rote.errors import InputError


@dataclass(frozen=True)
class NullValues:
    """Expectations for independent features with Gaussian entries; an index means what it has above them.

    Attributes:
        n: Examples.
        p: Directions of the one side: its width, or for SVCCA the number kept.
        q: Directions of the other.
        cca: Mean canonical correlation, and likewise PWCCA; for SVCCA with p and q the directions kept. In
            the limit of large n (Wachter 1980).
        cca_squared: Mean squared canonical correlation, exact.
        cka_biased: Biased linear CKA, to leading order; RBF kernels have higher ones.
        cka_unbiased: Unbiased linear CKA: 0.
        cka_deviation: Standard deviation of the unbiased linear CKA around 0. Features with a few strong
            directions, as of a real layer, vary more.

    Example:
        >>> null_values(1000, 100, 100)
        NullValues(n=1000, p=100, q=100): mean CCA 0.271, squared 0.100; CKA biased 0.091, unbiased 0 ± 0.0014
    """

    n: int
    p: int
    q: int
    cca: float
    cca_squared: float
    cka_biased: float
    cka_unbiased: float
    cka_deviation: float

    def __repr__(self) -> str:
        return (
            f"NullValues(n={self.n}, p={self.p}, q={self.q}): mean CCA {self.cca:.3f}, squared "
            f"{self.cca_squared:.3f}; CKA biased {self.cka_biased:.3f}, unbiased 0 ± {self.cka_deviation:.2g}"
        )


def null_values(n: int, p: int, q: int | None = None) -> NullValues:
    """What similarity to expect of two layers with nothing in common.

    Args:
        n: Examples of the probe.
        p: Width of one layer (for SVCCA the directions kept).
        q: Width of the other; p unless given.

    Raises:
        InputError: If there are fewer than 4 examples, or a width is below 1.

    Example:
        >>> [round(null_values(n, 100).cca, 2) for n in (200, 500, 1000, 5000, 10000)]
        [0.64, 0.39, 0.27, 0.12, 0.08]
    """
    q = p if q is None else q
    if n < 4 or p < 1 or q < 1:
        raise InputError(f"`null_values` needs n >= 4 examples and widths of at least 1. Got {n}, {p}, {q}.")
    free = n - 1  # centring takes one direction
    small, large = min(p, q, free), min(max(p, q), free)
    return NullValues(
        n=n,
        p=p,
        q=q,
        cca=_mean_root(small / free, large / free),
        cca_squared=large / free,
        cka_biased=sqrt(p * q / ((free + p) * (free + q))),
        cka_unbiased=0.0,
        cka_deviation=sqrt(2 / (n * (n - 3))),
    )


def _mean_root(a: float, b: float) -> float:
    """Mean of ρ where ρ² has Wachter's law, for sides of a ≤ b of all directions each."""
    if b >= 1:
        return 1.0
    middle, spread = a + b - 2 * a * b, 2 * sqrt(a * (1 - a) * b * (1 - b))
    low, high = max(middle - spread, 0.0), min(middle + spread, 1.0)
    # The density of x = ρ² is √((x-low)(high-x)) / (2π a x (1-x)); in the angle of a half circle over its
    # support the integrand is bounded, so that midpoints do.
    angles = (np.arange(4096) + 0.5) * (np.pi / 4096)
    centre, radius = (low + high) / 2, (high - low) / 2
    x = centre + radius * np.cos(angles)
    bulk = float(((radius * np.sin(angles)) ** 2 / (np.sqrt(x) * (1 - x))).mean()) / (2 * a)
    overlap = max(a + b - 1, 0.0) / a  # directions that both sides must share
    return overlap + bulk
