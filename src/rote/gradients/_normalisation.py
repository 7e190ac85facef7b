"""Closed forms of the scale and shift of normalisation layers."""

from torch import Tensor, nn
from torch.nn import functional as F

from rote.gradients._products import row_norms
from rote.gradients._tree import trainable

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def affine_norms(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    """Squared norms ``[m]`` of the sums of ``δ·x̂`` and ``δ`` over the positions of an example.

    Example:
        >>> import torch
        >>> norm = nn.GroupNorm(1, 2, eps=0.0)
        >>> affine_norms(norm, torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 2.0]]))
        tensor([10.])
    """
    total = delta.new_zeros(len(delta))
    for rows in _rows(module, x, delta).values():
        total = total + row_norms(rows.flatten(1))
    return total


def affine_sums(module: nn.Module, x: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """The gradients of scale and shift summed over the examples."""
    return {name: rows.sum(0) for name, rows in _rows(module, x, delta).items()}


def _rows(module: nn.Module, x: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """Each example's gradient of the trainable ones among scale and shift, ``[m, …]``."""
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        middle = tuple(range(1, x.dim() - len(module.normalized_shape)))
    else:
        middle = tuple(range(2, x.dim()))
    rows = {}
    if trainable(module, "weight"):
        scaled = delta * _normalized(module, x)
        rows["weight"] = scaled.sum(middle) if middle else scaled
    if trainable(module, "bias"):
        rows["bias"] = delta.sum(middle) if middle else delta
    return rows


def _normalized(module: nn.Module, x: Tensor) -> Tensor:
    """The module's output before scale and shift."""
    if isinstance(module, nn.LayerNorm):
        return F.layer_norm(x, module.normalized_shape, None, None, module.eps)
    if isinstance(module, nn.RMSNorm):
        return F.rms_norm(x, list(module.normalized_shape), None, module.eps)
    if isinstance(module, nn.GroupNorm):
        return F.group_norm(x, module.num_groups, None, None, module.eps)
    assert isinstance(module, (*BATCH_NORMS, *INSTANCE_NORMS))
    if isinstance(module, INSTANCE_NORMS) and (module.training or not module.track_running_stats):
        return F.instance_norm(x, eps=module.eps)
    assert module.running_mean is not None
    assert module.running_var is not None
    return F.batch_norm(x, module.running_mean, module.running_var, training=False, eps=module.eps)
