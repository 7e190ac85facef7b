"""What one step's microbatches add up to, packed so that the ranks of a process group can exchange it."""

import numpy as np
import torch
from torch import Tensor

from rote.gradients._distributed import Ranks
from rote.gradients._jackknife import GroupSums
from rote.gradients._microbatch_hooks import Backwards, Layer
from rote.gradients._sums import squared_norm


def packed_sums(seen: Backwards, ranks: Ranks | None = None) -> Tensor:
    """Rows ``r``, ``own``, ``cross`` by layer, then examples and microbatches, ``[3L+2, G]`` float64.

    With ``ranks``, ``cross`` is with the sum of the gradients over all of them; the groups are this rank's.
    """
    sizes, layers = seen.sizes, seen.layers
    groups = min(seen.groups, len(sizes))
    members = [sizes[group::groups] for group in range(groups)]
    counts = torch.tensor([[sum(k) for k in members], [len(k) for k in members]], dtype=torch.float64)
    own, cross = _stacked([_layer_sums(layer, groups, ranks) for layer in layers]).unbind(1)
    r = own / counts[0]  # of a group of one microbatch, S_g = k W
    if len(sizes) > groups:
        squares = _stacked([torch.stack(list(layer.squares.values())) for layer in layers])
        r[:, : squares.shape[1]] = squares
    return torch.cat([r, own, cross, counts])


def unpacked_sums(packed: Tensor, scale: float) -> GroupSums:
    """The sums of the loss itself from those of one that was multiplied by ``scale``."""
    values = packed.cpu().numpy()
    r, own, cross = (part.T / scale**2 for part in np.split(values[:-2], 3))
    return GroupSums(r, own, cross, values[-2], values[-1])


def _stacked(parts: list[Tensor]) -> Tensor:
    """Of the layers, each on its own device, one tensor in float64 on the CPU."""
    return torch.stack([part.to(parts[0].device) for part in parts]).cpu().double()


def _layer_sums(layer: Layer, groups: int, ranks: Ranks | None) -> Tensor:
    """``own`` and ``cross`` of one layer, ``[2, G]``."""
    layer.finish()
    block = layer.rows[:groups]
    # A product of matrices is fastest for few rows; but autocast and the TF32 switch may take its precision.
    precise = torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled("cpu")
    if ranks is None and 1 < groups <= 4 and block.device.type == "cpu" and precise:
        products = block @ block.T
        return torch.stack([products.diagonal(), products.sum(1)])
    rows, total = block.unbind(), block[0] if groups == 1 else block.sum(0)
    if ranks is not None:
        total = ranks.total(total)
    own = [squared_norm(row) for row in rows]
    cross = own if ranks is None and groups == 1 else [torch.dot(row, total) for row in rows]
    return torch.stack([*own, *cross]).view(2, groups)
