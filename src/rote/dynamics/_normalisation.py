"""Statistics of batch normalisation, gathered anew for weights that were never trained."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from rote.dynamics._evaluation import evaluation_mode
from rote.errors import InputError


def _tracking(model: nn.Module) -> dict[str, _NormBase]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _NormBase) and module.track_running_stats and module.running_mean is not None
    }


def statistics_of(model: nn.Module) -> list[str]:
    """Names of the modules with running statistics.

    Example:
        >>> statistics_of(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LayerNorm(2)))
        ['1']
    """
    return list(_tracking(model))


def recompute_statistics(model: nn.Module, batches: Iterable[Tensor | tuple[Tensor, ...]]) -> None:
    """Forget the running means and variances, and take those of these inputs, each batch with equal weight.

    Only normalisations are in training mode meanwhile: dropout stays off. Modes and momenta are put back.

    Args:
        model: Changed in place.
        batches: Inputs ``[b, …]``, or tuples that start with them; batches of equal size, each of at least
            two examples.

    Raises:
        InputError: If there is no batch.

    Example:
        >>> norm = nn.BatchNorm1d(1, affine=False)
        >>> recompute_statistics(norm, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
        >>> norm.running_mean, norm.running_var
        (tensor([4.]), tensor([2.]))
    """
    norms = list(_tracking(model).values())
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    device = next((b.device for b in model.buffers()), None)
    seen = False
    with evaluation_mode(model), torch.no_grad():
        try:
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a plain mean over batches
                norm.train()
            for batch in batches:
                x = batch if isinstance(batch, Tensor) else batch[0]
                model(x.to(device))
                seen = True
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    if not seen:
        raise InputError("`statistics` must hold at least one batch of inputs. Got none.")
