"""Per-example squared norms of convolution weights' gradients, plain and transposed.

A convolution's weight gradient is a sum over positions t of outer products of a patch with a place: the patch
is cut out of the input, the place is t in the output gradient. In a transposed convolution they change sides.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rote.gradients._products import CHUNK

Conv = nn.modules.conv._ConvNd


def conv_norms(module: Conv, x: Tensor, delta: Tensor) -> Tensor:
    """``‖∂L_i/∂W‖²`` for each example i of ``x`` ``[m, C, …]`` and ``delta`` ``[m, O, …]`` → ``[m]``.

    By Gram matrices or one weight gradient at a time, as the shapes alone decide.

    Example:
        >>> conv = nn.Conv1d(1, 1, 2, bias=False)
        >>> conv_norms(conv, torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2))
        tensor([34.])
    """
    if not len(delta):
        return delta.new_zeros(0)
    if gram_share(module, x, delta) <= 0.75:  # measured: docs/gradients.md
        return conv_gram(module, x, delta)
    return conv_loop(module, x, delta)[0]


def conv_loop(module: Conv, x: Tensor, delta: Tensor, *, total: bool = False) -> tuple[Tensor, Tensor]:
    """Norms ``[m]`` by the library's weight gradient, called for one example at a time.

    Returns:
        The norms and, if ``total``, the sum over the examples in the weight's shape; else an empty tensor.

    Example:
        >>> conv = nn.Conv1d(1, 1, 2, bias=False)
        >>> conv_loop(conv, torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2), total=True)
        (tensor([34.]), tensor([[[3., 5.]]]))
    """
    x, padding = _padded(module, x)
    norms, summed = [], delta.new_empty(0)
    for one, its_delta in zip(x.split(1), delta.split(1), strict=True):
        gradient = _weight_gradient(module, one, its_delta, padding)
        flat = gradient.view(-1)
        norms.append(torch.dot(flat, flat))
        if total:
            summed = summed.add_(gradient) if summed.numel() else gradient
    return torch.stack(norms), summed


def conv_gram(module: Conv, x: Tensor, delta: Tensor) -> Tensor:
    """Norms ``[m]`` as ``Σ_ts (patch_t·patch_s)(place_t·place_s)``, no patch being cut out.

    The inner product of two patches is the sum over the kernel's offsets o of those of single pixels,
    ``x_{t+o}·x_{s+o}``; so the Gram matrix of all pixels, shifted along both of its sides and added up, is
    that of the patches, for a kernel's size less work.

    Example:
        >>> conv = nn.Conv1d(1, 1, 2, bias=False)
        >>> conv_gram(conv, torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2))
        tensor([34.])
    """
    source, places = _source_and_places(module, x, delta)
    m, groups = len(delta), module.groups
    positions = places.shape[2:].numel()
    norms = []
    chunk = max(1, CHUNK // max(source.shape[2:].numel() ** 2, positions**2) // groups)
    for a, b in zip(source.split(chunk), places.split(chunk), strict=True):
        flat = a.reshape(len(a) * groups, -1, a.shape[2:].numel())
        pixels = torch.bmm(flat.transpose(1, 2), flat)
        gram = _shifted_sum(module, pixels, a.shape[2:], places.shape[2:])
        flat = b.reshape(len(b) * groups, -1, positions)
        gram.mul_(torch.bmm(flat.transpose(1, 2), flat))
        norms.append(gram.flatten(1).sum(1).view(len(a), groups).sum(1))
    return torch.cat(norms) if m else delta.new_zeros(0)


def gram_share(module: Conv, x: Tensor, delta: Tensor) -> float:
    """Multiplications of :func:`conv_gram` over those of the weight gradients.

    Example:
        >>> conv = nn.Conv2d(64, 64, 3, padding=1)
        >>> round(gram_share(conv, torch.ones(1, 64, 4, 4), torch.ones(1, 64, 4, 4)), 3)
        0.172
    """
    transposed = module.transposed
    places = (x if transposed else delta).shape[2:].numel()
    seen = delta if transposed else x
    padding = (0,) * len(module.kernel_size) if isinstance(module.padding, str) else module.padding
    pixels = math.prod(n + 2 * int(p) for n, p in zip(seen.shape[2:], padding, strict=True))
    kernel = math.prod(module.kernel_size)
    if kernel == 1:
        pixels = places
    c, o = seen.shape[1], (x if transposed else delta).shape[1]
    products = kernel * places * c * o / module.groups
    return (pixels**2 * c + places**2 * o + kernel * places**2 * module.groups) / products


def weight_gradient(module: Conv, x: Tensor, delta: Tensor) -> Tensor:
    """The weight's gradient summed over the examples of ``x``, contiguous, in the weight's shape.

    Example:
        >>> conv = nn.Conv1d(1, 1, 2, bias=False)
        >>> weight_gradient(conv, torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2))
        tensor([[[3., 5.]]])
    """
    x, padding = _padded(module, x)
    return _weight_gradient(module, x, delta, padding)


def _weight_gradient(module: Conv, x: Tensor, delta: Tensor, padding: tuple[int, ...]) -> Tensor:
    backward = cast("Callable[..., tuple[Any, Tensor, Any]]", torch.ops.aten.convolution_backward)
    _, gradient, _ = backward(
        delta, x, module.weight.detach(), None, module.stride, padding, module.dilation, module.transposed,
        module.output_padding, module.groups, [False, True, False],
    )  # fmt: skip
    return gradient.contiguous()


def _padded(module: Conv, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Input and the symmetric zero padding still to do; other paddings are made real first."""
    if module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return x, tuple(module.padding)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return F.pad(x, module._reversed_padding_repeated_twice, mode=mode), (0,) * len(module.kernel_size)


def _source_and_places(module: Conv, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """What patches are cut from, padded, and what multiplies them."""
    if module.transposed:
        source, places, padding = delta, x, tuple(int(p) for p in module.padding)
    else:
        source, padding = _padded(module, x)
        places = delta
    if any(padding):
        source = F.pad(source, [p for p in reversed(padding) for _ in (0, 1)])
    if math.prod(module.kernel_size) == 1:  # only the places' own pixels are met
        source = source[(slice(None), slice(None), *_window(module, (0,) * len(padding), places.shape[2:]))]
    return source, places


def _window(module: Conv, offset: tuple[int, ...], places: torch.Size) -> tuple[slice, ...]:
    """The pixels that the places meet at one offset of the kernel."""
    return tuple(
        slice(o * d, o * d + s * (n - 1) + 1, s)
        for o, d, s, n in zip(offset, module.dilation, module.stride, places, strict=True)
    )


def _shifted_sum(module: Conv, pixels: Tensor, size: torch.Size, places: torch.Size) -> Tensor:
    """Gram matrices of the patches ``[n, T, T]`` from those of the pixels, ``[n, S, S]``."""
    t = places.numel()
    if math.prod(module.kernel_size) == 1:
        return pixels
    grid = pixels.view(len(pixels), *size, *size)
    total = pixels.new_zeros(len(pixels), *places, *places)
    for offset in itertools.product(*(range(k) for k in module.kernel_size)):
        window = _window(module, offset, places)
        total.add_(grid[(slice(None), *window, *window)])
    return total.view(len(pixels), t, t)
