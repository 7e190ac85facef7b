"""A robust gradient by running a layer, or the model, again for single examples."""

import torch
from torch import Tensor

from rote.aggregate import Aggregate
from rote.gradients._rerun import Replay, per_example_gradients
from rote.gradients._sums import full_precision
from rote.optim._layers import CHUNK_BYTES


def rerun_gradient(replays: list[Replay], name: str, m: int, aggregate: Aggregate) -> tuple[Tensor, Tensor]:
    """The aggregate over the examples of one parameter's gradient, and their plain sum.

    Where all of it would not fit, the layer is run again for every part of the parameter that does.

    Args:
        replays: The calls that the parameter took part in; no other parameter's gradient is asked for.
        name: The parameter's name in them.
        m: Examples.
        aggregate: What to make of their gradients.

    Returns:
        Both in the shape of the parameter.
    """
    shape = replays[0].module.get_parameter(replays[0].local[name]).shape
    size = shape.numel()
    step = max(1, CHUNK_BYTES // (8 * m))
    robust, plain = [], []
    for first in range(0, max(size, 1), step):
        parts = []
        for chunk in per_example_gradients(replays, m):
            (rows,) = full_precision(chunk[name].flatten(1)[:, first : first + step])
            parts.append(rows.clone() if size > step else rows)
        rows = parts[0] if len(parts) == 1 else torch.cat(parts)
        robust.append(aggregate.of_rows(rows))
        plain.append(rows.sum(0))
    return torch.cat(robust).view(shape), torch.cat(plain).view(shape)
