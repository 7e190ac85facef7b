"""Clamped sums of products on a GPU: a Triton kernel that keeps the extremes as it sweeps the batch."""

# ruff: noqa: ANN001, ANN202, ANN401, RUF005  # Triton's language is neither typed nor all of Python
# mypy: disable-error-code="no-untyped-def, untyped-decorator, assignment"

from __future__ import annotations  # the annotations of a kernel are Triton's, which may be absent

from typing import Any

import torch
from torch import Tensor

try:  # the builds of torch for CUDA bring it
    import triton
    import triton.language as tl

    _jit: Any = triton.jit
except ImportError:
    triton = None

    def _jit(function: Any) -> Any:
        return function


#: Rows of products that one program holds, each of four times as many.
ROWS = 16
#: The most extremes at each end that stay in registers.
MOST = 16


def serves(left: Tensor, c: int) -> bool:
    """Whether the kernel can be asked: a GPU, Triton, and not too many extremes.

    Example:
        >>> serves(torch.ones(3, 1), 1)
        False
    """
    return triton is not None and left.is_cuda and c <= MOST


@_jit
def _push(kept, value, largest: tl.constexpr):
    """Put a value among the largest (smallest) so far; what falls out comes back."""
    new = ()
    for k in tl.static_range(len(kept)):
        if largest:
            new = new + (tl.maximum(kept[k], value),)
            value = tl.minimum(kept[k], value)
        else:
            new = new + (tl.minimum(kept[k], value),)
            value = tl.maximum(kept[k], value)
    return new, value


@_jit
def kernel(
    left,
    right,
    out,
    m,
    p,
    d,
    edge,
    c: tl.constexpr,
    height: tl.constexpr,
) -> None:
    """One tile of the answer; see `clamped_on_gpu`."""
    kind = out.dtype.element_ty
    width: tl.constexpr = 4 * height
    r = tl.program_id(0) * height + tl.arange(0, height)
    j = tl.program_id(1) * width + tl.arange(0, width)
    tops, bottoms = (), ()
    for _ in tl.static_range(c):
        tops = tops + (tl.full((height, width), float("-inf"), kind),)
        bottoms = bottoms + (tl.full((height, width), float("inf"), kind),)
    total = tl.zeros((height, width), kind)
    high = tl.full((height, width), float("-inf"), kind)
    low = tl.full((height, width), float("inf"), kind)
    odd = tl.zeros((height, width), tl.int1)
    for i in range(m):
        a = tl.load(left + i * p + r, mask=r < p, other=0.0)
        b = tl.load(right + i * d + j, mask=j < d, other=0.0)
        value = a[:, None] * b[None, :]
        odd = odd | (tl.abs(value) == float("inf")) | (value != value)
        tops, value = _push(tops, value, True)
        if i >= c:  # before, what falls out only held a place
            bottoms, value = _push(bottoms, value, False)
            if i >= 2 * c:
                total += value
                high = tl.maximum(high, value)
                low = tl.minimum(low, value)
    total += edge * (high + low)
    total = tl.where(odd, float("nan"), total)
    tl.store(out + r[:, None] * d + j[None, :], total, mask=(r[:, None] < p) & (j[None, :] < d))


def clamped_on_gpu(left: Tensor, right: Tensor, *, c: int, drop: bool, scale: float) -> Tensor:
    """``clamped_products`` for tensors of a GPU; ``c`` is at most `MOST`."""
    m, p = left.shape
    d = right.shape[1]
    out = left.new_empty(p, d)
    if out.numel():
        left, right = left.detach().contiguous(), right.detach().contiguous()
        grid = (triton.cdiv(p, ROWS), triton.cdiv(d, 4 * ROWS))
        with torch.cuda.device_of(left):
            kernel[grid](left, right, out, m, p, d, 0.0 if drop else float(c), c, ROWS)
    return out.mul_(scale)
