"""Closed forms: one layer's per-example squared gradient norms from its input and its output gradient.

Letters: m examples, T positions (time steps, pixels), d inputs, p outputs of a layer, x its input, δ the
gradient of the loss at its output. No rule holds examples × parameters.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rote.gradients._conv import conv_norms
from rote.gradients._products import product_norms, row_norms

Rule = Callable[[nn.Module, Tensor, Tensor], Tensor]

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def rule_for(module: nn.Module) -> tuple[str, Rule] | None:
    """Name and rule of the closed form for exactly this type, or ``None``.

    Subclasses may compute something else, so only the stock types (and their lazy twins, which become
    them) have rules.

    Example:
        >>> rule_for(nn.Linear(2, 2))[0], rule_for(nn.Bilinear(2, 2, 2))
        ('linear', None)
    """
    kind = type(module)
    if kind is nn.Linear:
        return "linear", _linear
    if kind in _CONVS:
        return "convolution", _conv
    if kind is nn.Embedding:
        return "embedding", _embedding
    if kind in (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, *_INSTANCE_NORMS, *_BATCH_NORMS):
        return "norm", _affine
    return None


def wanted_dims(module: nn.Module) -> tuple[int, int]:
    """Fewest and most dimensions of an input that lists examples in front of what the layer works on.

    Example:
        >>> wanted_dims(nn.Conv2d(1, 1, 1)), wanted_dims(nn.Linear(1, 1))[0]
        ((4, 4), 2)
    """
    if isinstance(module, _CONVS):
        return len(module.kernel_size) + 2, len(module.kernel_size) + 2
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return len(module.normalized_shape) + 1, 99
    if isinstance(module, _INSTANCE_NORMS):
        return (3 + _INSTANCE_NORMS.index(type(module)),) * 2
    return 1 if isinstance(module, nn.Embedding) else 2, 99


def coupling(module: nn.Module) -> str | None:
    """Why single examples have no gradient of their own in this module as it is now, or ``None``.

    Example:
        >>> coupling(nn.BatchNorm1d(3)), coupling(nn.BatchNorm1d(3).eval())
        ('takes statistics over the batch', None)
    """
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, _INSTANCE_NORMS):
        if module.training or module.running_mean is None:
            return "takes statistics over the batch"
    elif isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.scale_grad_by_freq:
        return "divides by how often the batch names a row"
    return None


def trainable(module: nn.Module, name: str) -> bool:
    """Whether ``module`` has its own parameter ``name`` and it is not frozen."""
    parameter = module._parameters.get(name)
    return parameter is not None and parameter.requires_grad


def _linear(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    """``‖δᵀx‖² + ‖Σ_t δ_t‖²`` → ``[m]``; one position: ``‖δ‖²(‖x‖²+1)`` (Goodfellow, arXiv 1510.01799)."""
    weight, bias = trainable(module, "weight"), trainable(module, "bias")
    if x.dim() == 2:
        d2 = row_norms(delta)
        if not weight:
            return d2
        x2 = row_norms(x)
        return torch.addcmul(d2, d2, x2) if bias else d2.mul_(x2)
    x, delta = x.flatten(1, -2), delta.flatten(1, -2)
    total = product_norms(delta, x) if weight else delta.new_zeros(len(delta))
    return total + row_norms(delta.sum(1)) if bias else total


def _conv(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    assert isinstance(module, _CONVS)
    total = conv_norms(module, x, delta) if trainable(module, "weight") else delta.new_zeros(len(delta))
    return total + row_norms(delta.flatten(2).sum(2)) if trainable(module, "bias") else total


def _embedding(module: nn.Module, ids: Tensor, delta: Tensor) -> Tensor:
    """Rows that one example names several times are added up before the norm; ``padding_idx`` gets none."""
    assert isinstance(module, nn.Embedding)
    m = len(ids)
    ids, delta = ids.reshape(m, -1), delta.reshape(m, -1, delta.shape[-1])
    key = ids + torch.arange(m, device=ids.device).unsqueeze(1) * module.num_embeddings
    if module.padding_idx is not None:
        real = ids != module.padding_idx
        key, delta = key[real], delta[real]
    unique, position = key.reshape(-1).unique(return_inverse=True)
    rows = delta.new_zeros(len(unique), module.embedding_dim)
    rows.index_add_(0, position, delta.reshape(-1, module.embedding_dim))
    return delta.new_zeros(m).index_add_(0, unique // module.num_embeddings, row_norms(rows))


def _affine(module: nn.Module, x: Tensor, delta: Tensor) -> Tensor:
    """Scale and shift of a normalisation: sums of ``δ·x̂`` and ``δ`` over the positions of an example."""
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        keep = len(module.normalized_shape)
        middle = tuple(range(1, x.dim() - keep))
    else:
        middle = tuple(range(2, x.dim()))
    total = delta.new_zeros(len(delta))
    if trainable(module, "weight"):
        scaled = delta * _normalized(module, x)
        total = total + row_norms((scaled.sum(middle) if middle else scaled).flatten(1))
    if trainable(module, "bias"):
        total = total + row_norms((delta.sum(middle) if middle else delta).flatten(1))
    return total


def _normalized(module: nn.Module, x: Tensor) -> Tensor:
    """The module's output before scale and shift."""
    if isinstance(module, nn.LayerNorm):
        return F.layer_norm(x, module.normalized_shape, None, None, module.eps)
    if isinstance(module, nn.RMSNorm):
        return F.rms_norm(x, list(module.normalized_shape), None, module.eps)
    if isinstance(module, nn.GroupNorm):
        return F.group_norm(x, module.num_groups, None, None, module.eps)
    assert isinstance(module, (*_BATCH_NORMS, *_INSTANCE_NORMS))
    if isinstance(module, _INSTANCE_NORMS) and (module.training or not module.track_running_stats):
        return F.instance_norm(x, eps=module.eps)
    assert module.running_mean is not None
    assert module.running_var is not None
    return F.batch_norm(x, module.running_mean, module.running_var, training=False, eps=module.eps)
