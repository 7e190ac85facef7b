"""Means with intervals over runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Interval:
    """A mean over n runs and its 95 % interval (Student's t); no interval from one run.

    Attributes:
        value: The mean; ``None`` where there is nothing to average.
        low: Lower end.
        high: Upper end.
        n: Runs.

    Example:
        >>> Interval(0.5, None, None, 1).to_dict()
        {'value': 0.5, 'low': None, 'high': None, 'n': 1}
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields, JSON-ready."""
        return asdict(self)


def within_0_and_1(found: Interval) -> Interval:
    """The interval of a share, which cannot reach below 0 or above 1.

    Example:
        >>> within_0_and_1(Interval(0.02, -0.01, 0.05, 3))
        Interval(value=0.02, low=0.0, high=0.05, n=3)
    """
    value, low, high = (
        v if v is None else min(max(v, 0.0), 1.0) for v in (found.value, found.low, found.high)
    )
    return Interval(value, low, high, found.n)


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval of independent runs; runs that are nan do not count.

    Args:
        values: One number a run.

    Returns:
        The interval.

    Example:
        >>> found = interval([0.4, 0.5, 0.6])
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3), found.n
        (0.5, 0.252, 0.748, 3)
    """
    known = np.array([v for v in values if np.isfinite(v)], dtype=float)
    n = len(known)
    if n == 0:
        return Interval(None, None, None, 0)
    mean = float(known.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    half = float(student.ppf(0.975, n - 1) * known.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
