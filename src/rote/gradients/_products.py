"""Squared norms of sums of outer products, without ever holding one matrix per example."""

import torch
from torch import Tensor


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

    Either the T × T Gram matrices (``Σ_ts (δ_t·δ_s)(x_t·x_s)``) or, where that is more work, the p × d
    products one example at a time in one buffer. The choice depends on the shapes alone, never on a
    clock, so that a run can be repeated bit for bit.

    Example:
        >>> product_norms(torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]]))
        tensor([9.])
    """
    m, t, p = delta.shape
    d = x.shape[2]
    if m == 0 or t == 0:
        return delta.new_zeros(m)
    if t == 1:
        return row_norms(delta[:, 0]) * row_norms(x[:, 0])
    if gram_is_smaller(t, d, p):
        gram = torch.bmm(x, x.transpose(1, 2)) * torch.bmm(delta, delta.transpose(1, 2))
        return gram.flatten(1).sum(1)
    norms = delta.new_empty(m)
    buffer = delta.new_empty(p, d)
    flat = buffer.view(-1)
    for i in range(m):
        torch.mm(delta[i].t(), x[i], out=buffer)
        torch.dot(flat, flat, out=norms[i])
    return norms


def gram_is_smaller(t: int, d: int, p: int) -> bool:
    """Whether two T × T Gram matrices are less work than one p × d product (measured: docs/gradients.md)."""
    return t * (d + p) <= d * p
