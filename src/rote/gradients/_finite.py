"""Gradients that are not finite, named."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rote.errors import InputError


def check_finite(norms: Sequence[Tensor], names: Sequence[str], index: Tensor) -> None:
    """Raise naming the first layer and example (by its entry in ``index``) whose gradient is not finite.

    Args:
        norms: Squared norms per layer, each ``[m]``.
        names: The layers' names.
        index: Number of each example in the user's sample, shape ``[m]``.

    Raises:
        InputError: If some squared norm is nan or infinite.

    Example:
        >>> check_finite(  # doctest: +IGNORE_EXCEPTION_DETAIL
        ...     [torch.tensor([1.0, float("nan")])], ["fc"], torch.tensor([5, 6])
        ... )
        Traceback (most recent call last):
        ...
        rote.errors.InputError: The gradient of example 6 in layer `fc` is not finite: ...
    """
    if bool(torch.stack([n.sum() for n in norms]).isfinite().all()):
        return
    for name, n in zip(names, norms, strict=True):
        bad = (~n.isfinite()).nonzero()
        if len(bad):
            raise InputError(
                f"The gradient of example {int(index[int(bad[0])])} in layer `{name}` is not finite: look at "
                "this example's input, target and loss, or lower the learning rate."
            )
