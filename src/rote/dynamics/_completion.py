"""Matrix completion by deep factorisation: what depth prefers where the data leave a choice."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._factors import Floats, backward, check_depth, imbalance, multiplied
from rote.dynamics._given import numbers
from rote.dynamics._linear import check_steps
from rote.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def effective_rank(W: "ArrayLike | Tensor") -> float:
    """``exp(H(s/Σs))``, H the entropy of the singular values as shares: r for r equal ones.

    Roy & Vetterli 2007 (EUSIPCO).

    Args:
        W: Shape ``[p, q]``.

    Returns:
        From 1 to ``min(p, q)``; 0 for a matrix of zeros.

    Raises:
        InputError: If W is no matrix of finite numbers.

    Example:
        >>> round(effective_rank(np.diag([3, 3, 0])), 6), round(effective_rank(np.diag([3, 1, 0])), 6)
        (2.0, 1.754765)
    """
    return _effective_rank(_singular_values(numbers("W", W, shape="[p, q]", dimensions=2)))


def _singular_values(W: Floats) -> Floats:
    return np.asarray(np.linalg.svd(W, compute_uv=False), np.float64)


def _effective_rank(s: Floats) -> float:
    if not s.sum():
        return 0.0
    share = s[s > 0] / s.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True)
class Completion:
    """A matrix completed by gradient descent on N factors, looked at now and then.

    Attributes:
        matrix: The product at the end, shape ``[p, q]``.
        depth: N.
        converged: Whether the error on the entries seen fell below the tolerance.
        steps: After how many steps was looked, shape ``[T]``.
        seen: Root mean square error on the entries seen, shape ``[T]``.
        unseen: On the others, shape ``[T]``; NaN where all were seen.
        singular_values: Of the product, shape ``[T, min(p, q)]``.
        imbalances: As :func:`rote.dynamics.imbalance`, shape ``[T, N - 1]``.

    Example:
        >>> Completion(np.eye(2), 2, True, np.array([0, 9]), np.ones(2), np.ones(2), np.ones((2, 2)),
        ...            np.zeros((2, 1)))
        Completion(depth=2, steps=9, unseen=1, effective_rank=2)
    """

    matrix: Floats
    depth: int
    converged: bool
    steps: NDArray[np.int64]
    seen: Floats
    unseen: Floats
    singular_values: Floats
    imbalances: Floats

    @property
    def effective_rank(self) -> Floats:
        """As :func:`rote.dynamics.effective_rank`, shape ``[T]``."""
        return np.array([_effective_rank(s) for s in self.singular_values])

    @property
    def nuclear_norm(self) -> Floats:
        """Sum of the singular values, shape ``[T]``."""
        return np.asarray(self.singular_values.sum(1), np.float64)

    def __repr__(self) -> str:
        return (
            f"Completion(depth={self.depth}, steps={self.steps[-1]}, unseen={self.unseen[-1]:.3g}, "
            f"effective_rank={self.effective_rank[-1]:.3g})"
        )


def complete_matrix(
    target: "ArrayLike | Tensor",
    seen: "ArrayLike | Tensor",
    *,
    depth: int,
    rate: float,
    start: float = 1e-2,
    tolerance: float = 1e-3,
    steps: int = 100_000,
    seed: int = 0,
) -> Completion:
    """Fit N square factors to the entries seen, by gradient descent on ``½ Σ_seen (W - target)²``.

    Factors are Gaussian of standard deviation ``start^(1/N)/√d``. Depth 1 leaves the unseen entries as they
    were; the deeper, the lower the rank of what is found (Arora, Cohen, Hu & Luo 2019, arXiv 1905.13655). The
    run ends where the root mean square error on the entries seen falls below the tolerance.

    Args:
        target: Shape ``[p, q]``; entries that are not seen are used to report the error only.
        seen: Which entries are fitted, booleans ``[p, q]``.
        depth: N. Inner widths are ``max(p, q)``, which is the d above.
        rate: Learning rate. The largest that descends falls with depth and with the target's size: it is
            about ``2/(N σ^(2 - 2/N))``, σ the target's largest singular value.
        start: Size of the product at the start; small means rich.
        tolerance: Of the error on the entries seen.
        steps: At most so many; it is looked at about a hundred times in rising distances.
        seed: Of the factors.

    Raises:
        InputError: If shapes disagree, nothing is seen, an option is not positive, or the run blows up.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = np.outer(rng.standard_normal(8), rng.standard_normal(8))  # of rank 1
        >>> seen = rng.random((8, 8)) < 0.6
        >>> complete_matrix(target, seen, depth=1, rate=0.05, tolerance=0.05)
        Completion(depth=1, steps=51, unseen=0.829, effective_rank=3.64)
        >>> complete_matrix(target, seen, depth=2, rate=0.05, tolerance=0.05)
        Completion(depth=2, steps=58, unseen=0.496, effective_rank=1.51)
    """
    M, mask = _checked(target, seen)
    check_depth(depth)
    check_steps(rate, steps)
    if not (start > 0 and tolerance > 0):
        raise InputError(f"`start` and `tolerance` must be above 0. Got {start} and {tolerance}.")
    factors = _gaussian(M.shape, depth, start, seed)
    looks = _looks(steps)
    records: list[tuple[int, float, float, Floats, Floats]] = []
    for step in range(steps + 1):
        W = multiplied(factors)
        residual = np.where(mask, W - M, 0.0)
        error = float(np.sqrt((residual**2).sum() / mask.sum()))
        if not error < 1e12:
            raise InputError(
                f"`rate` must be small enough to descend. Got {rate}, at which step {step} blew up."
            )
        done = error < tolerance or step == steps
        if done or step in looks:
            unseen = float(np.sqrt(((W - M)[~mask] ** 2).mean())) if not mask.all() else np.nan
            s = _singular_values(W)
            records.append((step, error, unseen, s, imbalance(factors)))
        if done:
            break
        moves = backward(factors, residual)
        factors = [factor - rate * move for factor, move in zip(factors, moves, strict=True)]
    at, errors, others, values, drift = zip(*records, strict=True)
    return Completion(
        W,
        depth,
        error < tolerance,
        np.array(at),
        np.array(errors),
        np.array(others),
        np.array(values),
        np.array(drift),
    )


def _gaussian(shape: tuple[int, int], depth: int, start: float, seed: int) -> list[Floats]:
    rng = np.random.default_rng(seed)
    d = max(shape)
    widths = [shape[1], *[d] * (depth - 1), shape[0]]
    scale = start ** (1 / depth) / np.sqrt(d)
    return [scale * rng.standard_normal((b, a)) for a, b in pairwise(widths)]


def _looks(steps: int) -> frozenset[int]:
    """When to look: often at first, always at 0."""
    return frozenset({0, *np.unique(np.geomspace(1, steps, 100).astype(int)).tolist()})


def _checked(target: "ArrayLike | Tensor", seen: "ArrayLike | Tensor") -> tuple[Floats, NDArray[np.bool_]]:
    M = numbers("target", target, shape="[p, q]", dimensions=2)
    mask = numbers("seen", seen, shape="[p, q]", dimensions=2)
    if mask.shape != M.shape or not np.isin(mask, (0, 1)).all() or not mask.any():
        raise InputError(
            f"`seen` must be booleans of shape {M.shape}, some of them true. Got shape {mask.shape} with "
            f"{np.count_nonzero(mask)} that are not 0."
        )
    return M, mask.astype(bool)
