"""Squared norms of sums of outer products, without ever holding one matrix per example."""

import torch
from torch import Tensor

#: Elements that one chunk of Gram matrices, or of batched products, may take.
CHUNK = 2**22


def row_norms(a: Tensor) -> Tensor:
    """``‖a_i‖²`` of each row of ``a``, shape ``[m, n]`` → ``[m]``.

    Example:
        >>> row_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([25.,  1.])
    """
    norms: Tensor = torch.linalg.vector_norm(a, dim=1)
    return norms.square_()


def product_norms(delta: Tensor, x: Tensor) -> Tensor:
    """``‖Σ_t δ_it ⊗ x_it‖²`` for each example i, shapes ``[m, T, p]``, ``[m, T, d]`` → ``[m]``.

    Either by Gram matrices or, where that is more work, one product at a time. The choice depends on the
    shapes alone, never on a clock, so that a run can be repeated bit for bit.

    Example:
        >>> product_norms(torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]]))
        tensor([9.])
    """
    m, t, p = delta.shape
    if m == 0 or t == 0:
        return delta.new_zeros(m)
    if t == 1:
        return row_norms(delta[:, 0]) * row_norms(x[:, 0])
    return gram_norms(delta, x) if gram_is_smaller(t, x.shape[2], p) else product_loop(delta, x)[0]


def gram_is_smaller(t: int, d: int, p: int) -> bool:
    """Whether two T × T Gram matrices are less work than one p × d product (measured: docs/gradients.md)."""
    return t * (d + p) <= d * p


def gram_norms(delta: Tensor, x: Tensor) -> Tensor:
    """:func:`product_norms` as ``Σ_ts (δ_t·δ_s)(x_t·x_s)``: two T × T matrices for each example.

    Example:
        >>> gram_norms(torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]]))
        tensor([9.])
    """
    chunk = max(1, CHUNK // max(delta.shape[1] ** 2, 1))
    norms = []
    for a, b in zip(delta.split(chunk), x.split(chunk), strict=True):
        gram = torch.bmm(b, b.transpose(1, 2)).mul_(torch.bmm(a, a.transpose(1, 2)))
        norms.append(gram.flatten(1).sum(1))
    return norms[0] if len(norms) == 1 else torch.cat(norms)


def product_loop(delta: Tensor, x: Tensor, *, total: bool = False) -> tuple[Tensor, Tensor]:
    """Norms as :func:`product_norms`, each p × d product formed once in one buffer that stays in cache.

    Returns:
        The norms ``[m]`` and, if ``total``, the sum of the products over the examples, shape ``[p, d]``; else
        an empty tensor. Needs at least one example.

    Example:
        >>> product_loop(torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]]), total=True)
        (tensor([9.]), tensor([[3.]]))
    """
    buffer = delta.new_empty(delta.shape[2], x.shape[2])
    summed = torch.empty_like(buffer) if total else delta.new_empty(0)
    target = summed if total else buffer  # the first product starts the sum
    flat, norms = target.view(-1), []
    for left, right in zip(delta.transpose(1, 2).unbind(), x.unbind(), strict=True):
        torch.mm(left, right, out=target)
        norms.append(torch.dot(flat, flat))
        if target is buffer:
            if total:
                summed.add_(target)
        else:
            target, flat = buffer, buffer.view(-1)
    return torch.stack(norms), summed


def product_batches(delta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`product_loop` with ``total``, by batched products of a few examples: for a GPU.

    Example:
        >>> product_batches(torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]]))
        (tensor([9.]), tensor([[3.]]))
    """
    chunk = max(1, 4 * CHUNK // max(delta.shape[2] * x.shape[2], 1))
    norms, summed = [], None
    for a, b in zip(delta.split(chunk), x.split(chunk), strict=True):
        products = torch.bmm(a.transpose(1, 2), b)
        norms.append(row_norms(products.flatten(1)))
        part = products.sum(0)
        summed = part if summed is None else summed.add_(part)
    assert summed is not None
    return torch.cat(norms), summed
