"""A layer's robust gradient from its input and its output gradient, in bounded memory.

Letters: m examples, T positions, d inputs, p outputs of a layer, x its input, δ the gradient at its output.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rote.aggregate import Aggregate
from rote.gradients._conv import Conv, weight_gradient
from rote.gradients._normalisation import BATCH_NORMS, INSTANCE_NORMS
from rote.gradients._normalisation import _rows as affine_rows

#: Bytes that the rows of per-example gradients of one chunk of parameters may take.
CHUNK_BYTES = 64 * 2**20

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, *INSTANCE_NORMS, *BATCH_NORMS)


def has_closed_form(module: nn.Module) -> bool:
    """Whether :func:`robust_gradient` knows this layer.

    Example:
        >>> has_closed_form(nn.Linear(1, 1)), has_closed_form(nn.LSTM(1, 1))
        (True, False)
    """
    return isinstance(module, (nn.Linear, nn.Embedding, Conv, *NORMS))


def robust_gradient(module: nn.Module, name: str, x: Tensor, delta: Tensor, aggregate: Aggregate) -> Tensor:
    """The aggregate over the examples of the gradient of one parameter.

    Args:
        module: A layer with a closed form.
        name: ``"weight"`` or ``"bias"``.
        x: Its input, examples first.
        delta: The gradient at its output, examples first.
        aggregate: What to make of the examples' gradients.

    Returns:
        In the shape of the parameter.

    Example:
        >>> from rote.aggregate import Clamp
        >>> layer, x = nn.Linear(2, 1), torch.tensor([[1.0, 0.0], [1.0, 3.0], [8.0, 2.0]])
        >>> robust_gradient(layer, "weight", x, torch.ones(3, 1), Clamp(1))
        tensor([[3., 6.]])
    """
    if isinstance(module, NORMS):
        rows = affine_rows(module, x, delta)[name]
        return aggregate.of_rows(rows.flatten(1)).view(rows.shape[1:])
    if name == "bias":
        return aggregate.of_rows(_bias_rows(module, delta).contiguous())
    if isinstance(module, nn.Embedding):
        return _embedding(module, x, delta, aggregate)
    if isinstance(module, Conv):
        return _convolution(module, x, delta, aggregate)
    if x.dim() == 2:
        return aggregate.of_products(delta, x)
    return _positions(x.flatten(1, -2), delta.flatten(1, -2), aggregate)


def in_chunks(
    count: int, m: int, each: int, rows: Callable[[int, int], Tensor], aggregate: Aggregate
) -> Tensor:
    """Aggregates of ``count`` slices of a parameter, as many at a time as memory allows.

    Args:
        count: Slices, such as output channels.
        m: Examples.
        each: Bytes of one slice for one example.
        rows: ``(first, last)`` → the examples' gradients of these slices, ``[m, …]``.
        aggregate: What to make of them.

    Returns:
        Flat, slice after slice.

    Example:
        >>> from rote.aggregate import Clamp
        >>> g = torch.tensor([[1.0, 5.0], [2.0, 6.0], [9.0, 7.0]])
        >>> in_chunks(2, 3, 4, lambda a, b: g[:, a:b], Clamp(1))
        tensor([ 6., 18.])
    """
    step = max(1, CHUNK_BYTES // max(m * each, 1))
    parts = [
        aggregate.of_rows(rows(first, min(first + step, count)).flatten(1)) for first in range(0, count, step)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _bias_rows(module: nn.Module, delta: Tensor) -> Tensor:
    """Each example's gradient of the bias, ``[m, p]``."""
    if isinstance(module, Conv):
        return delta.flatten(2).sum(2)
    return delta.flatten(1, -2).sum(1) if delta.dim() > 2 else delta


def _positions(x: Tensor, delta: Tensor, aggregate: Aggregate) -> Tensor:
    """A dense layer at T positions: ``g_i = δ_iᵀ x_i``, a few outputs at a time."""
    m, _, p = delta.shape
    d, by_output = x.shape[2], delta.transpose(1, 2)
    flat = in_chunks(p, m, d * x.element_size(), lambda a, b: torch.bmm(by_output[:, a:b], x), aggregate)
    return flat.view(p, d)


def _convolution(module: Conv, x: Tensor, delta: Tensor, aggregate: Aggregate) -> Tensor:
    """By the library's weight gradient of one example, for a few of the weight's first channels at a time."""
    weight = module.weight.detach()
    # Channels of one group depend on its inputs only, so groups would have to be cut on both sides.
    whole = module.groups > 1

    def rows(first: int, last: int) -> Tensor:
        if whole or (first == 0 and last == len(weight)):
            part, ends = module, (x, delta)
        else:
            part = copy.copy(module)
            part._parameters = {"weight": nn.Parameter(weight[first:last], requires_grad=False)}
            cut = slice(first, last)
            ends = (x[:, cut], delta) if module.transposed else (x, delta[:, cut])
        gradients = [weight_gradient(part, *one) for one in zip(*(e.split(1) for e in ends), strict=True)]
        return torch.stack(gradients)

    if whole:
        return aggregate.of_rows(rows(0, len(weight)).flatten(1)).view(weight.shape)
    flat = in_chunks(len(weight), len(x), weight[0].nbytes, rows, aggregate)
    return flat.view(weight.shape)


def _embedding(module: nn.Embedding, ids: Tensor, delta: Tensor, aggregate: Aggregate) -> Tensor:
    """Only the rows that more examples name than the aggregate ignores; the others get 0."""
    m, k = len(ids), module.embedding_dim
    ids, delta = ids.reshape(m, -1), delta.reshape(m, -1, k)
    out = delta.new_zeros(module.num_embeddings, k)
    example = torch.arange(m, device=ids.device).unsqueeze(1).expand_as(ids)
    real = ids != (-1 if module.padding_idx is None else module.padding_idx)
    ids, example, delta = ids[real], example[real], delta[real]
    pairs = (ids * m + example).unique()
    named, counts = (pairs // m).unique(return_counts=True)
    wanted = named[counts > aggregate.ignores]
    if not len(wanted):
        return out
    place = ids.new_full((module.num_embeddings,), -1)
    place[wanted] = torch.arange(len(wanted), device=ids.device)
    at = place[ids]

    def rows(first: int, last: int) -> Tensor:
        here = (at >= first) & (at < last)
        gradients = delta.new_zeros(m * (last - first), k)
        gradients.index_add_(0, example[here] * (last - first) + at[here] - first, delta[here])
        return gradients.view(m, -1)

    out[wanted] = in_chunks(len(wanted), m, k * delta.element_size(), rows, aggregate).view(-1, k)
    return out
