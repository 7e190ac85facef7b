"""Clamped or trimmed sums of products: the native loop on a CPU, Triton or sorting in torch elsewhere."""

import torch
from torch import Tensor

from rote._native import clamped_products as native_products
from rote.aggregate._triton import clamped_on_gpu, serves
from rote.errors import InputError

#: Products that a thread should have to be worth starting.
PER_THREAD = 2**22
#: Elements that one chunk of products may take where they are sorted.
CHUNK = 2**24


def clamped_products(
    left: Tensor, right: Tensor, *, c: int, drop: bool = False, scale: float = 1.0
) -> Tensor:
    """For each (r, j) the sum over m examples of ``left[i, r] · right[i, j]``, its c extremes each way tamed.

    The c largest and smallest products are clamped to their neighbours (winsorized: Chatterjee 2020,
    "Coherent Gradients", §3, where with 100 examples c is the percentile by nearest rank), or dropped. On a
    CPU the m products are formed in registers and never stored. A coordinate where a product is not finite
    becomes nan, so that whoever looks for overflow finds it.

    Args:
        left: Shape ``[m, p]``, float32 or float64.
        right: Shape ``[m, d]``, of the same type.
        c: How many at each end.
        drop: Drop them instead.
        scale: Factor of the result.

    Returns:
        Shape ``[p, d]``, of the same type.

    Raises:
        InputError: If m is below ``2c + 1``, or the two are no matrices of one type with m rows.

    Example:
        >>> rows = torch.tensor([[1.0, -5.0], [2.0, 0.0], [9.0, 1.0]])
        >>> clamped_products(torch.ones(3, 1), rows, c=1)
        tensor([[6., 0.]])
    """
    if left.is_cpu:
        a, b = left.detach().contiguous().numpy(), right.detach().contiguous().numpy()
        visited = len(left) * a.shape[-1] * b.shape[-1]
        threads = max(1, min(torch.get_num_threads(), visited // PER_THREAD))
        found = native_products(a, b, c=c, drop=drop, scale=scale, threads=threads)
        return torch.from_numpy(found)
    if not 0 <= 2 * c < len(left):
        raise InputError(f"`c` must satisfy 0 <= 2c < m. Got c={c} with m={len(left)} examples.")
    if serves(left, c):
        return clamped_on_gpu(left, right, c=c, drop=drop, scale=scale)
    return products_by_sorting(left, right, c=c, drop=drop, scale=scale)


def products_by_sorting(
    left: Tensor, right: Tensor, *, c: int, drop: bool = False, scale: float = 1.0
) -> Tensor:
    """:func:`clamped_products` in torch, a few rows of products sorted at a time.

    Example:
        >>> products_by_sorting(torch.ones(3, 1), torch.tensor([[1.0], [2.0], [9.0]]), c=1)
        tensor([[6.]])
    """
    m = len(left)
    step = max(1, CHUNK // max(m * right.shape[1], 1))
    rows = []
    for part in left.split(step, dim=1):
        products = part.unsqueeze(2) * right.unsqueeze(1)
        finite = products.isfinite().all(0)
        products = products.sort(0).values
        total = products[c : m - c].sum(0)
        if c and not drop:
            total += c * (products[c] + products[m - 1 - c])
        rows.append(total.mul_(scale).masked_fill_(~finite, float("nan")))
    return torch.cat(rows)
