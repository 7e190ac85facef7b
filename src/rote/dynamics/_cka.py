"""Centred kernel alignment of two layers' features, biased and unbiased, whole and in batches.

Kornblith, Norouzi, Lee, Hinton 2019 (arXiv 1905.00414); the unbiased form in batches: Nguyen, Raghu,
Kornblith 2021 (arXiv 2010.15327).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from rote.errors import InputError


def linear_cka(X: Tensor, Y: Tensor, *, unbiased: bool = True) -> float:
    """Linear CKA: ``‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)`` of centred features (Kornblith et al. 2019, eq. 6).

    Unchanged by rotations and by scaling of either side, not by other linear maps. The biased form is far
    from 0 for unrelated features wherever n is not far above p: see :func:`null_values`.

    Args:
        X: Features, shape ``[n, p]``.
        Y: Features of the same examples, shape ``[n, q]``.
        unbiased: Whether HSIC is estimated without bias, from pairs of different examples alone.

    Returns:
        At most 1; the biased form is at least 0. nan if one side is constant.

    Raises:
        InputError: If the shapes do not fit, or there are fewer than 4 examples (2 for the biased form).

    Example:
        >>> X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(linear_cka(X, 2 * X.flip(1)), 6)
        1.0
    """
    X, Y = pair(X, Y, least=4 if unbiased else 2)
    if unbiased and max(X.shape[1], Y.shape[1]) >= len(X):
        return minibatch_cka([(X, Y)])
    cross, own_x, own_y = X.T @ Y, X.T @ X, Y.T @ Y
    if not unbiased:
        return _ratio(*(float((g * g).sum()) for g in (cross, own_x, own_y)))
    # The same sums as hsic1 of the Gram matrices, in n p² instead of n² p steps.
    dx, dy = (X * X).sum(1), (Y * Y).sum(1)
    return _ratio(_hsic1(cross, dx, dy), _hsic1(own_x, dx, dx), _hsic1(own_y, dy, dy))


def _hsic1(cross: Tensor, dx: Tensor, dy: Tensor) -> float:
    """HSIC₁ times n(n-3) of linear kernels of centred features, from ``XᵀY`` and both diagonals."""
    n = len(dx)
    # Features are centred, so the rows of K sum to 0, and those of K without its diagonal to -dx.
    trace = (cross * cross).sum() - (dx * dy).sum()
    sums, both = dx.sum() * dy.sum(), (dx * dy).sum()
    return float(trace + sums / ((n - 1) * (n - 2)) - 2 / (n - 2) * both)


def rbf_cka(X: Tensor, Y: Tensor, *, width: float = 0.8, unbiased: bool = False) -> float:
    """CKA with Gaussian kernels ``exp(-d² / 2σ²)``, σ a fraction of the median distance of each side.

    Args:
        X: Features, shape ``[n, p]``.
        Y: Features of the same examples, shape ``[n, q]``.
        width: That fraction; the paper's table has 0.2, 0.4 and 0.8.
        unbiased: Whether HSIC is estimated without bias.

    Returns:
        At most 1. nan if one side is constant.

    Raises:
        InputError: If the shapes do not fit, ``width`` is not positive or there are too few examples.

    Example:
        >>> X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> round(rbf_cka(X, 2 * X.flip(1)), 6)
        1.0
    """
    if not width > 0:
        raise InputError(f"`width` must be a positive share of the median distance. Got {width}.")
    X, Y = pair(X, Y, least=4 if unbiased else 2)
    centred = [ucentred(k) if unbiased else doubly_centred(k) for k in (_rbf(X, width), _rbf(Y, width))]
    return normalised(centred[:1], centred[1:])[0, 0].item()


def _rbf(X: Tensor, width: float) -> Tensor:
    distances = torch.cdist(X, X)
    pairs = torch.ones_like(distances, dtype=torch.bool).triu(1)
    median = distances[pairs].median()
    return torch.exp(-((distances / (width * median)) ** 2) / 2)


def minibatch_cka(batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Unbiased linear CKA of features that come in batches; the sums of HSIC₁ are divided once, at the end.

    Expects the same whatever the size of a batch, so that layers too large for one Gram matrix can be
    compared. Dividing in each batch and averaging, as is sometimes done, is biased.

    Args:
        batches: Pairs of features ``[b, p]`` and ``[b, q]`` of the same examples, b at least 4.

    Returns:
        At most 1. nan if one side is constant.

    Raises:
        InputError: If there is no batch, one has fewer than 4 examples, or shapes do not fit.

    Example:
        >>> X = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
        >>> round(minibatch_cka([(X[:32], -X[:32]), (X[32:], -X[32:])]), 6)
        1.0
    """
    sums, seen = [0.0, 0.0, 0.0], 0
    for some, others in batches:
        X, Y = pair(some, others, least=4)
        K, L = ucentred(X @ X.T), ucentred(Y @ Y.T)
        n, seen = len(X), seen + len(X)
        for place, (left, right) in enumerate([(K, L), (K, K), (L, L)]):
            sums[place] += float((left * right).sum()) / (n * (n - 3))
    if not seen:
        raise InputError("`batches` must hold at least one pair of features. Got none.")
    return _ratio(*sums)


def hsic1(K: Tensor, L: Tensor) -> Tensor:
    """Unbiased estimate of HSIC from two kernel matrices (Song et al. 2012; Nguyen et al. 2021, eq. 3).

    Args:
        K: Kernel matrix, shape ``[…, n, n]``, symmetric, n at least 4; the diagonal does not count.
        L: Another of the same examples.

    Returns:
        Shape ``[…]``.

    Raises:
        InputError: If the shapes differ, are not square, or n is below 4.

    Example:
        >>> hsic1(torch.eye(5), torch.ones(5, 5))
        tensor(0.)
    """
    n = K.shape[-1]
    if K.shape != L.shape or K.dim() < 2 or K.shape[-2] != n or n < 4:
        raise InputError(
            "`hsic1` needs two kernel matrices [n, n] of the same n >= 4 examples. Got "
            f"{tuple(K.shape)} and {tuple(L.shape)}."
        )
    return (ucentred(K) * ucentred(L)).sum((-2, -1)) / (n * (n - 3))


def ucentred(K: Tensor) -> Tensor:
    """A kernel matrix without its diagonal, its rows and columns summing to 0 (Székely and Rizzo 2014).

    HSIC₁ is the inner product of two such matrices over n(n-3): so every matrix is centred once, however many
    it is compared with.

    Args:
        K: Shape ``[…, n, n]``, symmetric, n at least 3.

    Returns:
        Shape ``[…, n, n]``.

    Example:
        >>> U = ucentred(torch.arange(25.0).reshape(5, 5) + torch.arange(25.0).reshape(5, 5).T)
        >>> U.diagonal().abs().max().item() == 0.0, U.sum(0).abs().max().item() < 1e-4
        (True, True)
    """
    n = K.shape[-1]
    U = K.clone()
    U.diagonal(dim1=-2, dim2=-1).zero_()
    rows = U.sum(-1) / (n - 2)
    total = rows.sum(-1)[..., None, None] / (n - 1)
    U -= rows[..., :, None]
    U -= rows[..., None, :]
    U += total
    U.diagonal(dim1=-2, dim2=-1).zero_()
    return U


def doubly_centred(K: Tensor) -> Tensor:
    """``HKH``: rows and columns of a kernel matrix ``[…, n, n]`` that sum to 0.

    Example:
        >>> doubly_centred(torch.eye(2))
        tensor([[ 0.5000, -0.5000],
                [-0.5000,  0.5000]])
    """
    rows = K.mean(-1, keepdim=True)
    return K - rows - rows.transpose(-2, -1) + rows.mean(-2, keepdim=True)


def normalised(left: Sequence[Tensor] | Tensor, right: Sequence[Tensor] | Tensor) -> Tensor:
    """Cosines between centred kernel matrices, all of the left with all of the right, as one product.

    Returns:
        Shape ``[left, right]``.

    Example:
        >>> normalised([torch.eye(2), -torch.eye(2)], [torch.eye(2)]).tolist()
        [[1.0], [-1.0]]
    """
    a, b = (torch.stack([k.reshape(-1) for k in some]) for some in (left, right))
    norms = a.norm(dim=1)[:, None] * b.norm(dim=1)[None]
    cosines: Tensor = a @ b.T / norms
    return cosines.clamp(-1.0, 1.0)


def pair(X: Tensor, Y: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    """Both sides centred, as floats of one dtype.

    Raises:
        InputError: If they are not features of the same examples, or of fewer than ``least``.

    Example:
        >>> X, Y = pair(torch.tensor([[1], [3]]), torch.zeros(2, 4), least=2)
        >>> X.tolist(), Y.shape
        ([[-1.0], [1.0]], torch.Size([2, 4]))
    """
    if X.dim() != 2 or Y.dim() != 2 or len(X) != len(Y) or 0 in (*X.shape, *Y.shape):
        raise InputError(
            "Similarity needs features [n, p] and [n, q] of the same n examples. Got shapes "
            f"{tuple(X.shape)} and {tuple(Y.shape)}."
        )
    if len(X) < least:
        raise InputError(f"This similarity needs at least {least} examples. Got {len(X)}.")
    dtype = torch.float64 if torch.float64 in (X.dtype, Y.dtype) else torch.float32
    X, Y = centred(X.to(dtype)), centred(Y.to(dtype))
    return X, Y


def centred(X: Tensor) -> Tensor:
    """Features ``[n, p]`` with columns of mean 0, as float32 or float64.

    Raises:
        InputError: If a value is not finite.

    Example:
        >>> centred(torch.tensor([[1.0], [3.0]])).tolist()
        [[-1.0], [1.0]]
    """
    X = X if X.dtype in (torch.float32, torch.float64) else X.float()
    if not bool(torch.isfinite(X).all()):
        raise InputError("Features must be finite. Got nan or infinity: look at the layer's outputs.")
    return X - X.mean(0)


def _ratio(cross: float, own_x: float, own_y: float) -> float:
    """HSIC over the square root of the product of both with themselves."""
    if not (own_x > 0 and own_y > 0):
        return float("nan")
    return min(cross / math.sqrt(own_x * own_y), 1.0)
