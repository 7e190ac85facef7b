"""Per-example squared norms of convolution weights' gradients."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rote.gradients._products import gram_is_smaller, product_norms

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def conv_norms(module: Conv, x: Tensor, delta: Tensor) -> Tensor:
    """``‖∂L_i/∂W‖²`` for each example i of ``x`` ``[m, C, …]`` and ``delta`` ``[m, O, …]`` → ``[m]``.

    Small outputs of 2-d convolutions are unfolded and their Gram matrices compared; otherwise the library's
    weight gradient is called for one example at a time, so one weight-sized buffer is all that is held.

    Example:
        >>> conv = nn.Conv1d(1, 1, 2, bias=False)
        >>> conv_norms(conv, torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2))
        tensor([34.])
    """
    x, padding = _padded(module, x)
    positions = delta[0, 0].numel() if len(delta) else 0
    fan_in = module.weight[0].numel()
    plain = module.groups == 1 and isinstance(module, nn.Conv2d)
    # Twice: unfolding costs about as much again (measured: docs/gradients.md).
    if plain and gram_is_smaller(2 * positions, fan_in, module.out_channels):
        columns = F.unfold(x, module.kernel_size, module.dilation, padding, module.stride)
        return product_norms(delta.flatten(2).transpose(1, 2), columns.transpose(1, 2))
    norms = delta.new_empty(len(delta))
    for i in range(len(delta)):
        gradient = weight_gradient(module, x[i : i + 1], delta[i : i + 1], padding).view(-1)
        torch.dot(gradient, gradient, out=norms[i])
    return norms


def weight_gradient(module: Conv, x: Tensor, delta: Tensor, padding: tuple[int, ...]) -> Tensor:
    """The weight's gradient summed over the examples of ``x``, contiguous, shape of the weight."""
    backward = cast("Callable[..., tuple[Any, Tensor, Any]]", torch.ops.aten.convolution_backward)
    dimensions = len(padding)
    _, gradient, _ = backward(
        delta, x, module.weight.detach(), None, module.stride, padding, module.dilation, False,
        [0] * dimensions, module.groups, [False, True, False],
    )  # fmt: skip
    return gradient.contiguous()


def _padded(module: Conv, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Input and the symmetric zero padding still to do; other paddings are made real first."""
    if module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return x, tuple(module.padding)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return F.pad(x, module._reversed_padding_repeated_twice, mode=mode), (0,) * len(module.kernel_size)
