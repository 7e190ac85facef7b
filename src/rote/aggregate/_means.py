"""Robust means of rows, as plain functions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rote.aggregate._products import clamped_products
from rote.errors import InputError


def winsorized_mean(rows: Tensor, *, c: int) -> Tensor:
    """Mean of each column after clamping its c largest and c smallest values to the next ones.

    The levels are ``sorted[c]`` and ``sorted[m-1-c]``; with ``m = 100`` they are the c-th and the (100-c)-th
    percentile by nearest rank (Chatterjee 2020, "Coherent Gradients", §3).

    Args:
        rows: Per-example gradients, shape ``[m, n]``.
        c: Values to clamp at each end of each column; 0 is the mean.

    Returns:
        Shape ``[n]``; nan where a value is not finite.

    Raises:
        InputError: If ``rows`` is no floating matrix, or m is below ``2c + 1``.

    Example:
        >>> winsorized_mean(torch.tensor([[0.0], [1.0], [2.0], [99.0]]), c=1)
        tensor([1.5000])
    """
    return _tamed(rows, c=c, drop=False, scale=1 / max(_length(rows), 1))


def trimmed_mean(rows: Tensor, *, c: int) -> Tensor:
    """Mean of each column after dropping its c largest and c smallest values.

    Yin et al. 2018, "Byzantine-Robust Distributed Learning", arXiv 1803.01498, definition 2.

    Args:
        rows: Per-example gradients, shape ``[m, n]``.
        c: Values to drop at each end of each column; 0 is the mean.

    Returns:
        Shape ``[n]``; nan where a value is not finite.

    Raises:
        InputError: If ``rows`` is no floating matrix, or m is below ``2c + 1``.

    Example:
        >>> trimmed_mean(torch.tensor([[0.0], [1.0], [4.0], [99.0]]), c=1)
        tensor([2.5000])
    """
    return _tamed(rows, c=c, drop=True, scale=1 / max(_length(rows) - 2 * c, 1))


def median_of_means(rows: Tensor, *, groups: int) -> Tensor:
    """Median, coordinate by coordinate, of the means of ``groups`` groups of neighbouring rows.

    Groups differ in size by at most one. Of an even number of groups it is the mean of the middle two.

    Args:
        rows: Per-example gradients, shape ``[m, n]``.
        groups: How many groups; 1 is the mean.

    Returns:
        Shape ``[n]``; nan where a value is not finite.

    Raises:
        InputError: If ``rows`` is no floating matrix, or ``groups`` is not from 1 to m.

    Example:
        >>> median_of_means(torch.tensor([[0.0], [2.0], [3.0], [5.0], [80.0], [90.0]]), groups=3)
        tensor([4.])
    """
    m = _length(rows)
    if not 1 <= groups <= m:
        raise InputError(f"`groups` must be from 1 to m. Got groups={groups} with m={m} examples.")
    means = torch.stack([part.mean(0) for part in rows.tensor_split(groups)])
    return median(means)


def median(rows: Tensor) -> Tensor:
    """Median of each column, the mean of the middle two if there are evenly many rows.

    Example:
        >>> median(torch.tensor([[1.0], [9.0], [2.0], [4.0]]))
        tensor([3.])
    """
    if len(rows) == 3:
        finite = rows.isfinite().all(0)
        return median_of_three(*rows).masked_fill_(~finite, float("nan"))
    return trimmed_mean(rows, c=(_length(rows) - 1) // 2)


def median_of_three(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The middle one of three values, coordinate by coordinate; nan where one of them is nan.

    It is one of the three to the last bit: nothing is subtracted, as in ``a + b + c - min - max``.

    Example:
        >>> median_of_three(torch.tensor([1e8]), torch.tensor([3.0]), torch.tensor([-1e8]))
        tensor([3.])
    """
    with torch.no_grad():
        low, middle = torch.minimum(a, b), torch.maximum(a, b)
        torch.minimum(middle, c, out=middle)
        return torch.maximum(middle, low, out=middle)


def medians_of_three(
    a: Sequence[Tensor], b: Sequence[Tensor], c: Sequence[Tensor], *, foreach: bool
) -> list[Tensor]:
    """:func:`median_of_three` of each of many tensors.

    Example:
        >>> medians_of_three([torch.ones(1)], [torch.zeros(1)], [torch.full((1,), 2.0)], foreach=True)
        [tensor([1.])]
    """
    if not foreach:
        return [median_of_three(*three) for three in zip(a, b, c, strict=True)]
    low, middle = torch._foreach_minimum(list(a), list(b)), torch._foreach_maximum(list(a), list(b))
    torch._foreach_minimum_(middle, list(c))
    torch._foreach_maximum_(middle, low)
    return list(middle)


def means_of_three(
    a: Sequence[Tensor], b: Sequence[Tensor], c: Sequence[Tensor], *, foreach: bool
) -> list[Tensor]:
    """The mean of three values, coordinate by coordinate, of each of many tensors.

    Example:
        >>> means_of_three([torch.ones(1)], [torch.zeros(1)], [torch.full((1,), 5.0)], foreach=True)
        [tensor([2.])]
    """
    if not foreach:
        return [(x + y).add_(z).div_(3) for x, y, z in zip(a, b, c, strict=True)]
    total = torch._foreach_add(list(a), list(b))
    torch._foreach_add_(total, list(c))
    torch._foreach_div_(total, 3.0)
    return list(total)


def _length(rows: Tensor) -> int:
    if rows.dim() != 2 or rows.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"`rows` must be a float32 or float64 matrix [m, n]. Got {rows.dtype} of shape "
            f"{tuple(rows.shape)}."
        )
    return len(rows)


def _tamed(rows: Tensor, *, c: int, drop: bool, scale: float) -> Tensor:
    if not 0 <= 2 * c < len(rows):
        raise InputError(f"`c` must satisfy 0 <= 2c < m. Got c={c} with m={len(rows)} examples.")
    return clamped_products(rows.new_ones(len(rows), 1), rows, c=c, drop=drop, scale=scale)[0]
