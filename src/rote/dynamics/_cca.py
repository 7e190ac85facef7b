"""Canonical correlations of two layers' features: mean CCA, SVCCA and PWCCA.

SVCCA: Raghu, Gilmer, Yosinski, Sohl-Dickstein 2017 (arXiv 1706.05806).
PWCCA: Morcos, Raghu, Bengio 2018 (arXiv 1806.05759).
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from rote.dynamics._cka import centred
from rote.errors import InputError

#: Examples for each direction, below which canonical correlations of unrelated features are large.
ENOUGH = 10


@dataclass(frozen=True, eq=False)
class Subspace:
    """The directions in which a layer's centred features vary, those with most variance first.

    Attributes:
        basis: Orthonormal columns, shape ``[n, k]``, float64.
        values: Singular values of the features along them, shape ``[k]``, falling.
        directions: Unit directions in the layer's space, shape ``[p, k]``; the centred features are
            ``basis · diag(values) · directionsᵀ``, up to what was left out.

    Example:
        >>> subspace(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])).values.tolist()
        [1.4142135623730951]
    """

    basis: Tensor
    values: Tensor
    directions: Tensor


def subspace(X: Tensor, *, share: float = 1.0, squares: bool = False) -> Subspace:
    """A layer's subspace, and of it the fewest directions that hold a share of the features.

    Args:
        X: Features, shape ``[n, p]``.
        share: Share to keep, over 0 and at most 1; of the numerical rank.
        squares: What is shared out: the sum of squared singular values, which is the variance, or, as in the
            appendix of the SVCCA paper, that of singular values themselves, which keeps far more directions.

    Raises:
        InputError: If ``share`` is outside, or the features do not differ between examples.

    Example:
        >>> X = torch.diag(torch.tensor([9.0, 3.0, 1.0, 0.0]))
        >>> [len(subspace(X, share=0.9, squares=s).values) for s in (False, True)]
        [2, 1]
    """
    if not 0 < share <= 1:
        raise InputError(f"`share` must be over 0 and at most 1. Got {share}.")
    if X.dim() != 2 or 0 in X.shape:
        raise InputError(f"Similarity needs features [n, p]. Got shape {tuple(X.shape)}.")
    X = centred(X.double())
    n, p = X.shape
    values, vectors = torch.linalg.eigh(X.T @ X if p <= n else X @ X.T)
    values, vectors = values.flip(0).clamp(min=0).sqrt(), vectors.flip(1)
    # Roots of eigenvalues: what is below 1e-7 of the largest is rounding.
    rank = int((values > 1e-7 * values[0] * max(n, p) ** 0.5).sum()) if values[0] > 0 else 0
    if rank == 0:
        raise InputError("Features must differ between examples. Got a layer that says the same of all.")
    k = _kept(values[:rank], share, squares=squares)
    values, vectors = values[:k], vectors[:, :k]
    if p <= n:
        return Subspace(X @ vectors / values, values, vectors)
    return Subspace(vectors, values, X.T @ vectors / values)


def _kept(values: Tensor, share: float, *, squares: bool) -> int:
    weights = values**2 if squares else values
    held = weights.cumsum(0) / weights.sum()
    return min(len(values), int((held < share - 1e-12).sum()) + 1)


def correlations(X: Subspace, Y: Subspace) -> Tensor:
    """Canonical correlations of two subspaces, largest first.

    Returns:
        Shape ``[min(k, l)]``, between 0 and 1, float64.

    Raises:
        InputError: If they are of different examples.

    Example:
        >>> correlations(subspace(torch.eye(3)), subspace(2 * torch.eye(3))).round(decimals=6).tolist()
        [1.0, 1.0]
    """
    found: Tensor = torch.linalg.svdvals(_cross(X, Y))
    return found.clamp(max=1.0)


def _cross(X: Subspace, Y: Subspace) -> Tensor:
    if len(X.basis) != len(Y.basis):
        raise InputError(
            f"Similarity needs features of the same examples. Got {len(X.basis)} and {len(Y.basis)} rows."
        )
    return X.basis.T @ Y.basis


def too_few(n: int, k: int, what: str) -> str | None:
    """Why n examples are too few for k directions, or ``None``.

    Example:
        >>> too_few(1000, 100, "a layer"), too_few(900, 100, "a layer") is None
        (None, False)
    """
    if n >= ENOUGH * k:
        return None
    return (
        f"{what} has {k} directions, for which {n} examples are few: unrelated features would correlate too "
        f"(`null_values({n}, {k}, {k})`); take {ENOUGH * k} examples or more."
    )


def mean_cca(X: Tensor, Y: Tensor) -> float:
    """Mean canonical correlation of all directions; unchanged by any invertible linear map of either side.

    Args:
        X: Features, shape ``[n, p]``.
        Y: Features of the same examples, shape ``[n, q]``.

    Returns:
        Between 0 and 1.

    Raises:
        InputError: If there are not more examples than directions of both sides together, where some
            correlations are 1 whatever the features are. Below 10 examples a direction: a warning.

    Example:
        >>> X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(mean_cca(X, X @ torch.tensor([[1.0, 2, 3], [0, 1, 4], [0, 0, 5]])), 6)
        1.0
    """
    x, y = _checked(subspace(X), subspace(Y))
    return float(correlations(x, y).mean())


def svcca(X: Tensor, Y: Tensor, *, share: float = 0.99, squares: bool = False) -> float:
    """Mean canonical correlation of the directions that hold 99 % of each layer.

    Two rules are in use for the 99 %, and they can disagree a lot: say which one you report.

    Args:
        X: Features, shape ``[n, p]``.
        Y: Features of the same examples, shape ``[n, q]``.
        share: Share of each side to keep.
        squares: Of the sum of squared singular values (the variance), or of singular values as in the
            paper's appendix, the default.

    Returns:
        Between 0 and 1: the sum of correlations over the smaller number of directions.

    Raises:
        InputError: As :func:`mean_cca`, of the directions kept.

    Example:
        >>> X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(svcca(X, 2 * X.flip(1)), 6)
        1.0
    """
    x, y = (subspace(some, share=share, squares=squares) for some in (X, Y))
    return float(correlations(*_checked(x, y)).mean())


def pwcca(X: Tensor, Y: Tensor) -> float:
    """Canonical correlations weighted by how much of X each canonical direction holds.

    It is X that weighs: ``pwcca(Y, X)`` is another number, and may be far from this one. The weights are
    sums over neurons, so rotating X changes them.

    Args:
        X: Features, shape ``[n, p]``; this side weighs.
        Y: Features of the same examples, shape ``[n, q]``.

    Returns:
        Between 0 and 1: ``Σ αᵢ ρᵢ / Σ αᵢ`` with ``αᵢ = Σⱼ |⟨hᵢ, xⱼ⟩|``, h the canonical variables of X, x its
        centred columns.

    Raises:
        InputError: As :func:`mean_cca`.

    Example:
        >>> X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(pwcca(X, 2 * X.flip(1)), 6)
        1.0
    """
    return projected(*_checked(subspace(X), subspace(Y)))


def projected(X: Subspace, Y: Subspace) -> float:
    """PWCCA of two subspaces, weighted by the first.

    Example:
        >>> projected(subspace(torch.eye(3)), subspace(torch.eye(3)))
        1.0
    """
    U, rho, _ = torch.linalg.svd(_cross(X, Y), full_matrices=False)
    # ⟨hᵢ, xⱼ⟩ with h = basis·U and x = basis·diag(values)·directionsᵀ.
    weights = (U.T @ (X.values[:, None] * X.directions.T)).abs().sum(1)
    return float((weights * rho.clamp(max=1.0)).sum() / weights.sum())


def _checked(X: Subspace, Y: Subspace) -> tuple[Subspace, Subspace]:
    """Both, if correlations between them can mean something; a warning if they are few examples."""
    n, k, other = len(X.basis), len(X.values), len(Y.values)
    refuse_too_few(n, k, other)
    if reason := too_few(n, max(k, other), "a layer"):
        warnings.warn(reason, stacklevel=3)
    return X, Y


def refuse_too_few(n: int, k: int, other: int) -> None:
    """Refuse what says nothing: n - 1 directions of examples cannot hold both sides without overlap.

    Raises:
        InputError: If so.

    Example:
        >>> refuse_too_few(10, 3, 4)
    """
    if k + other >= n:
        raise InputError(
            "Canonical correlations need more examples than directions of both sides together "
            f"({k} + {other}), or some are 1 whatever the features are. Got {n}: take "
            f"{ENOUGH * max(k, other)} examples, keep a smaller `share` of the directions, or use CKA."
        )
