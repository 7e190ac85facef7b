"""Parities: what elimination learns from n + 2 examples, and a small network represents exactly.

For x in {-1, 1}^n and a subset S of the coordinates, ``χ_S(x) = Π_{i in S} x_i``: the exclusive or of bits,
where -1 stands for 1.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from rote.dynamics._gf2 import Solution, solve_gf2
from rote.dynamics._given import array
from rote.errors import InputError


def parity(x: ArrayLike, subset: ArrayLike) -> NDArray[np.int8]:
    """The product of some coordinates: ``χ_S(x)``.

    Args:
        x: Shape ``[m, n]``, -1 and 1.
        subset: S: places from 0 to n - 1, each at most once; none of them: 1 everywhere.

    Returns:
        Shape ``[m]``, int8, -1 and 1.

    Raises:
        InputError: If x holds other numbers, or a place is out of range or there twice.

    Example:
        >>> parity([[1, -1, -1], [-1, 1, -1]], [0, 1]).tolist()
        [-1, -1]
    """
    signs = plus_minus(x, "x", 2)
    places = checked_subset(subset, signs.shape[1])
    found: NDArray[np.int8] = np.prod(signs[:, places], axis=1, dtype=np.int8)
    return found


def recover_parity(
    x: ArrayLike, y: ArrayLike, *, tries: int = 1, seed: int = 0, threads: int = 1
) -> Solution:
    """Find the subset of a parity by elimination: exact, from about n + 2 examples, whatever its size.

    With ``x = (-1)^z`` and ``y = (-1)^b`` it solves ``Σ_i s_i z_i = b`` modulo 2; ``Solution.x`` is the
    indicator s of S.

    Args:
        x: Shape ``[m, n]``, -1 and 1.
        y: Shape ``[m]``, -1 and 1.
        tries: As for `solve_gf2`, where labels are noisy.
        seed: Likewise.
        threads: Likewise.

    Raises:
        InputError: If a number is neither -1 nor 1, or shapes disagree.

    Example:
        >>> x = np.random.default_rng(0).choice([-1, 1], (40, 30))
        >>> found = recover_parity(x, parity(x, [3, 14, 15]))
        >>> found.kind, np.flatnonzero(found.x).tolist()
        ('unique', [3, 14, 15])
    """
    signs, labels = plus_minus(x, "x", 2), plus_minus(y, "y", 1)
    return solve_gf2(signs < 0, labels < 0, tries=tries, seed=seed, threads=threads)


def parity_network(n: int, subset: ArrayLike, *, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """A network of one hidden layer of |S| ReLUs that is the parity of S, exactly.

    With s, how many coordinates of S are -1: ``1 - 2 relu(s) + 4 Σ_{j=1}^{k-1} (-1)^(j+1) relu(s - j)``,
    which goes up and down by 2 from one whole number to the next. All its numbers are exact in float32.

    Args:
        n: Coordinates.
        subset: S, k places from 0 to n - 1.
        dtype: Of the weights.

    Returns:
        Linear, ReLU, Linear: ``[m, n]`` to ``[m, 1]``.

    Raises:
        InputError: If n is below 1 or a place is out of range or there twice.

    Example:
        >>> net = parity_network(3, [0, 2])
        >>> net(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])).flatten().tolist(), net[0].out_features
        ([1.0, -1.0], 2)
    """
    if n < 1:
        raise InputError(f"`n` must be at least 1. Got {n}.")
    places = checked_subset(subset, n)
    k = len(places)
    counting = torch.zeros(k, n, dtype=dtype)
    counting[:, torch.as_tensor(places)] = -0.5  # s = k/2 - Σ_{i in S} x_i / 2
    j = torch.arange(k, dtype=dtype)
    heights = 4 * torch.where(j % 2 == 1, 1.0, -1.0).to(dtype)
    heights[:1] = -2
    net = nn.Sequential(nn.Linear(n, k), nn.ReLU(), nn.Linear(k, 1)) if k else _constant(n)
    with torch.no_grad():
        if k:
            _set(net[0], counting, k / 2 - j)
            _set(net[2], heights[None], torch.ones(1, dtype=dtype))
    return net.to(dtype)


def _constant(n: int) -> nn.Sequential:
    """1 everywhere: the parity of no coordinate."""
    net = nn.Sequential(nn.Linear(n, 1))
    with torch.no_grad():
        _set(net[0], torch.zeros(1, n), torch.ones(1))
    return net


def _set(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def plus_minus(given: ArrayLike, name: str, dimensions: int) -> NDArray[np.int8]:
    """Numbers -1 and 1 as int8.

    Raises:
        InputError: If there are others, or the shape is another.
    """
    found = array(given, name)
    wanted = "[m, n]" if dimensions == 2 else "[m]"
    if found.ndim != dimensions or found.dtype.kind not in "if" or not (np.abs(found) == 1).all():
        raise InputError(
            f"`{name}` must be -1 and 1, shape {wanted}. Got {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.int8)


def checked_subset(subset: ArrayLike, n: int) -> NDArray[np.int64]:
    """Places of a subset of n coordinates.

    Raises:
        InputError: If one is out of range or there twice.
    """
    places = array(subset, "subset")
    if places.size == 0:
        return np.empty(0, np.int64)
    known = places.ndim == 1 and places.dtype.kind in "iu"
    if not known or places.min() < 0 or places.max() >= n or len(np.unique(places)) < len(places):
        raise InputError(f"`subset` must be different places from 0 to {n - 1}. Got {places.tolist()}.")
    return places.astype(np.int64)
