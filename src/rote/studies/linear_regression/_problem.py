"""What the figures share: random regression problems, and looks at a curve."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rote.studies._study import Config

Floats = NDArray[np.float64]


def problem(config: Config, seed: int) -> tuple[Floats, Floats, Floats]:
    """Gaussian examples ``[n, d]``, targets ``[n]`` and a start ``[d]``.

    Example:
        >>> [part.shape for part in problem({"n": 2, "d": 3}, 0)]
        [(2, 3), (2,), (3,)]
    """
    n, d = int(config["n"]), int(config["d"])
    rng = np.random.default_rng([seed, n, d])
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)


def looks(steps: int, most: int = 60) -> list[int]:
    """At most so many steps, evenly spread, the first and the last among them.

    Example:
        >>> looks(10, 3), looks(2)
        ([0, 5, 10], [0, 1, 2])
    """
    return sorted({round(float(at)) for at in np.linspace(0, steps, min(most, steps + 1))})


def log_looks(steps: int, most: int = 60) -> list[int]:
    """About so many steps, evenly spread but for the first ones on an axis of ``log(1 + step)``.

    Example:
        >>> log_looks(100, 6)
        [0, 2, 5, 15, 39, 100]
    """
    return sorted({round(float(at)) for at in np.expm1(np.linspace(0, np.log1p(steps), most))})


def log10_of(value: float) -> float:
    """The logarithm of a relative error; that of 1e-17, which float64 cannot tell from 0, for less.

    Example:
        >>> log10_of(0.01), log10_of(0.0)
        (-2.0, -17.0)
    """
    return float(np.log10(max(value, 1e-17)))


def log10(values: Sequence[float] | Floats) -> list[float | None]:
    """Logarithms, and None where there is none.

    Example:
        >>> log10([100.0, 0.0])
        [2.0, None]
    """
    return [float(np.log10(value)) if 0 < value < np.inf else None for value in values]
