"""The Gram matrix of the examples' gradients: every pair's inner product."""

from collections.abc import Iterator
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._loss import Loss
from rote.gradients._probe import Examples, chunks
from rote.gradients._single import Seen, SingleGradients, plain, single_gradients

#: More passes over the sample than this are refused: hours, where a smaller sample says the same.
MOST_PASSES = 100

Batches = list[tuple[Tensor, Tensor]]

#: Columns ``start`` to ``stop`` of a parameter's gradient, flattened.
Slice = tuple[str, int, int]


@overload
def gramian(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    per_layer: Literal[False] = False,
    memory: int = ...,
    chunk_size: int = ...,
) -> NDArray[np.float64]: ...


@overload
def gramian(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    per_layer: Literal[True],
    memory: int = ...,
    chunk_size: int = ...,
) -> dict[str, NDArray[np.float64]]: ...


def gramian(
    model: nn.Module,
    loss: Loss,
    examples: Examples,
    *,
    per_layer: bool = False,
    memory: int = 2**28,
    chunk_size: int = 500,
) -> NDArray[np.float64] | dict[str, NDArray[np.float64]]:
    """Inner products ``K_ij = ⟨g_i, g_j⟩`` of all pairs of examples, for small samples.

    With the all-ones vector 1, ``1ᵀK1 = ‖S‖²`` and ``tr K = Q``, so ``α = 1ᵀK1/(m tr K)``; the diagonal
    holds the squared norms. A Linear layer on ``[m, d]`` costs ``m²(d + p)``: there ``K = (δδᵀ)∘(xxᵀ +
    1)``. For the others the gradients are formed, as many columns at a time as ``memory`` holds for all m
    examples, in one pass over the sample for each such block. The model is measured in eval mode and left
    untouched, as :func:`coherence` does.

    Args:
        model: Any module called as ``model(x)`` that returns one tensor, examples along the first
            dimension.
        loss: ``loss(outputs, targets)``, the mean or the sum over the examples.
        examples: ``(x, y)``, or an iterable of such batches, which is read into memory.
        per_layer: Return ``{layer: K_l}``, which add up to K, instead of K.
        memory: Bytes that a block of gradients, and the result, may each take.
        chunk_size: Examples per pass when ``examples`` is one pair.

    Returns:
        Shape ``[m, m]`` float64, in the order of the examples; symmetric, positive semidefinite up to
        rounding.

    Raises:
        InputError: As :func:`coherence`, or if the result or the work would be out of proportion.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -2.0]])
        >>> gramian(model, lambda outputs, y: outputs.sum(), (x, torch.zeros(3)))
        array([[ 1.,  1.,  0.],
               [ 1.,  2., -2.],
               [ 0., -2.,  4.]])
    """
    with single_gradients(model, loss) as single:
        batches = list(chunks(model, examples, chunk_size))
        m = sum(len(y) for _, y in batches)
        if not m:
            raise InputError("`examples` must hold at least one example. Got none.")
        tables = len(single.names) if per_layer else 1
        if tables * m * m * 8 > memory:
            raise InputError(
                f"`examples` must be few, since every pair is compared. Got {m}, which makes "
                f"{tables} × {m}² numbers, more than `memory` of {memory} bytes holds: take a smaller sample."
            )
        single.weigh(y for _, y in batches)
        for x, y in batches:
            single.norms(x, y)
        K = torch.zeros(tables, m, m, dtype=torch.float64, device=batches[0][0].device)
        done = _add_plain_layers(single, batches, K)
        left = [name for name in single.parameters if name not in done]
        _add_blocks(single, batches, left, K, memory)
    result = K.cpu().numpy()
    return dict(zip(single.names, result, strict=True)) if per_layer else result[0]


def _add_plain_layers(single: SingleGradients, batches: Batches, K: Tensor) -> set[str]:
    """Add the Linear layers on ``[m, d]`` to ``K``; the names of their parameters."""
    found: dict[str, list[Seen]] = {}
    for x, y in batches:
        for name, calls in single.seen(x, y).items():
            if one := plain(calls):
                found.setdefault(name, []).append(one)
    done: set[str] = set()
    for parts in found.values():
        if len(parts) < len(batches):
            continue
        delta, x = torch.cat([s.delta for s in parts]).double(), torch.cat([s.x for s in parts]).double()
        local = parts[0].local
        scale = x @ x.T if "weight" in local.values() else torch.zeros((), dtype=x.dtype, device=x.device)
        if "bias" in local.values():
            scale = scale + 1
        K[_place(single, next(iter(local)), K)] += (delta @ delta.T).mul_(scale)
        done.update(local)
    return done


def _add_blocks(single: SingleGradients, batches: Batches, names: list[str], K: Tensor, memory: int) -> None:
    """Add the other parameters to ``K``, one block of columns after the other."""
    m = K.shape[1]
    blocks = list(column_blocks({name: single.parameters[name] for name in names}, m, memory))
    if len(blocks) > MOST_PASSES:
        raise InputError(
            f"`examples` must be few, or `memory` large: {m} examples need {len(blocks)} passes, a block of "
            f"gradients in each, where at most {MOST_PASSES} are made: take a smaller sample, or pass "
            f"memory={memory * len(blocks) // MOST_PASSES + 1} or more."
        )
    for block in blocks:
        G = {s: single.parameters[s[0]].new_empty(m, s[2] - s[1]) for s in block}
        row = 0
        for x, y in batches:
            for chunk in single.rows(x, y, list(dict.fromkeys(name for name, *_ in block))):
                c = len(next(iter(chunk.values())))
                for s, columns in G.items():
                    columns[row : row + c] = chunk[s[0]].flatten(1)[:, s[1] : s[2]]
                row += c
        for s, columns in G.items():
            for part in columns.split(max(1, memory // (16 * m)), dim=1):
                wide = part.double()
                K[_place(single, s[0], K)].addmm_(wide, wide.T)


def column_blocks(parameters: dict[str, nn.Parameter], m: int, memory: int) -> Iterator[list[Slice]]:
    """Blocks of columns whose gradients of ``m`` examples fit into ``memory`` bytes, in order.

    Example:
        >>> w, b = nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(3))
        >>> list(column_blocks({"w": w, "b": b}, 2, 32))
        [[('w', 0, 4)], [('w', 4, 6), ('b', 0, 2)], [('b', 2, 3)]]
    """
    block: list[Slice] = []
    room = memory
    for name, p in parameters.items():
        start, column = 0, m * p.element_size()
        while start < p.numel():
            take = min(p.numel() - start, max(room // column, 0 if block else 1))
            if not take:
                yield block
                block, room = [], memory
                continue
            block.append((name, start, start + take))
            start, room = start + take, room - take * column
    if block:
        yield block


def _place(single: SingleGradients, name: str, K: Tensor) -> int:
    """Which matrix of ``K`` a parameter belongs to."""
    return single.owners[name] if len(K) > 1 else 0
