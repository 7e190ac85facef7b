"""Closed forms of lookup layers: Embedding, and EmbeddingBag as a linear layer on counted words."""

from typing import Any

import torch
from torch import Tensor, nn

from rote.gradients._products import row_norms


def embedding_norms(module: nn.Module, ids: Tensor, delta: Tensor) -> Tensor:
    """Rows that one example names several times are added up before the norm; ``padding_idx`` gets none.

    Example:
        >>> embedding_norms(nn.Embedding(3, 1), torch.tensor([[1, 1], [1, 2]]), torch.ones(2, 2, 1))
        tensor([4., 2.])
    """
    assert isinstance(module, nn.Embedding)
    m = len(ids)
    ids, delta = ids.reshape(m, -1), delta.reshape(m, -1, delta.shape[-1])
    real = None if module.padding_idx is None else ids != module.padding_idx
    return lookup_norms(ids, delta, module.num_embeddings, real)


def lookup_norms(ids: Tensor, delta: Tensor, count: int, real: Tensor | None = None) -> Tensor:
    """``‖g_i‖²`` of a table of ``count`` rows that example i looked ``ids[i]`` up in, shape ``[m]``.

    Args:
        ids: ``[m, T]``.
        delta: Gradient of the loss at the rows looked up, ``[m, T, d]``.
        count: Rows of the table.
        real: Which lookups have a gradient, ``[m, T]``; ``None`` for all.

    Example:
        >>> lookup_norms(torch.tensor([[1, 1], [1, 2]]), torch.ones(2, 2, 1), 3)
        tensor([4., 2.])
    """
    m, width = len(ids), delta.shape[-1]
    key = ids + torch.arange(m, device=ids.device).unsqueeze(1) * count
    if real is not None:
        key, delta = key[real], delta[real]
    unique, position = key.reshape(-1).unique(return_inverse=True)
    rows = delta.new_zeros(len(unique), width).index_add_(0, position, delta.reshape(-1, width))
    return delta.new_zeros(m).index_add_(0, unique // count, row_norms(rows))


def embedding_sums(module: nn.Module, ids: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """The gradient summed over the examples."""
    assert isinstance(module, nn.Embedding)
    ids, delta = ids.reshape(-1), delta.reshape(-1, module.embedding_dim)
    if module.padding_idx is not None:
        real = ids != module.padding_idx
        ids, delta = ids[real], delta[real]
    return {"weight": delta.new_zeros(module.weight.shape).index_add_(0, ids, delta)}


def bag_counts(module: nn.EmbeddingBag, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """How much each bag takes of each row: sparse, ``[m, rows]``, float64, each pair once.

    Args:
        module: With mode ``"sum"`` or ``"mean"``.
        args: As the module was called: ids ``[m, n]``, or ids ``[n]`` with offsets; weights of the ids.
        kwargs: The same by name.

    Example:
        >>> bag = nn.EmbeddingBag(3, 2, mode="mean")
        >>> bag_counts(bag, (torch.tensor([0, 0, 2]), torch.tensor([0, 2])), {}).to_dense().tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    given = dict(zip(("input", "offsets", "per_sample_weights"), args, strict=False)) | kwargs
    ids: Tensor = given["input"]
    weights = given.get("per_sample_weights")
    if ids.dim() == 2:
        m = len(ids)
        bag = torch.arange(m, device=ids.device).repeat_interleave(ids.shape[1])
    else:
        starts = given["offsets"][:-1] if module.include_last_offset else given["offsets"]
        m = len(starts)
        place = torch.arange(len(ids), device=ids.device)
        bag = torch.searchsorted(starts.to(place.dtype), place, right=True) - 1
    ids = ids.reshape(-1)
    values = ids.new_ones(ids.shape, dtype=torch.float64)
    if weights is not None:
        values = weights.detach().reshape(-1).double()
    if module.padding_idx is not None:
        values = values.where(ids != module.padding_idx, 0.0)
    if module.mode == "mean":
        taken = values.new_zeros(m).index_add_(0, bag, values)
        values = values / taken.clamp(min=1.0)[bag]
    shape = (m, module.num_embeddings)
    return torch.sparse_coo_tensor(torch.stack([bag, ids]), values, shape, check_invariants=False).coalesce()


def bag_norms(module: nn.Module, counts: Tensor, delta: Tensor) -> Tensor:
    """``‖δ_i‖² Σ_v n_iv²`` from counts as :func:`bag_counts` gives them."""
    squares = counts.values().square()
    per_bag = squares.new_zeros(len(counts)).index_add_(0, counts.indices()[0], squares)
    return row_norms(delta) * per_bag.to(delta.dtype)


def bag_sums(module: nn.Module, counts: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """The gradient summed over the examples."""
    bag, row = counts.indices()
    parts = delta[bag] * counts.values().to(delta.dtype).unsqueeze(1)
    return {"weight": delta.new_zeros(counts.shape[1], delta.shape[1]).index_add_(0, row, parts)}
