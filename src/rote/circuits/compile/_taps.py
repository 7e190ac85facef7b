"""Which features a window of an image reads, for convolutions and pooling."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rote.errors import InputError

Image = tuple[int, ...]
Pooling = nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d


def convolution_taps(module: nn.Conv2d, shape: Image) -> NDArray[np.int64]:
    """What each position of a convolution reads: ``[groups, positions, channels / groups * h * w]``.

    −1 is padding with zeros. The order is that of the flattened weights: channel, row, column.

    Args:
        module: The convolution.
        shape: The image's channels, height and width.

    Raises:
        InputError: If it pads with anything but zeros.

    Example:
        >>> convolution_taps(nn.Conv2d(1, 1, 2), (1, 2, 3)).tolist()
        [[[0, 1, 3, 4], [1, 2, 4, 5]]]
    """
    if module.padding_mode != "zeros":
        raise InputError(
            f"A convolution that pads by `{module.padding_mode:.80}` cannot be compiled: pad with zeros."
        )
    if isinstance(module.padding, str):
        same = module.padding == "same"
        total = [same * d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = [(t // 2, t - t // 2) for t in total]
    else:
        padding = [(p, p) for p in module.padding]
    windows = _windows(shape, module.kernel_size, module.stride, padding, module.dilation)
    channels, *_ = windows.shape
    grouped = windows.reshape(module.groups, channels // module.groups, windows.shape[1], -1)
    return grouped.transpose(0, 2, 1, 3).reshape(module.groups, windows.shape[1], -1)


def window_taps(module: Pooling, shape: Image) -> NDArray[np.int64]:
    """What each window of a pooling reads: ``[channels * positions, h * w]``.

    At the edges max-pooling names a feature of the window twice, and average-pooling has −1, which is a zero.

    Args:
        module: The pooling.
        shape: The image's channels, height and width.

    Raises:
        InputError: If windows differ in size.

    Example:
        >>> window_taps(nn.MaxPool2d(2, padding=1), (1, 2, 2)).tolist()
        [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]
    """
    if isinstance(module, nn.AdaptiveAvgPool2d):
        kernel = stride = _divided(module, shape[1:])
        padding: tuple[int, ...] = (0, 0)
    else:
        kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
        if module.ceil_mode or _uneven(module):
            raise InputError(
                "Pooling with `ceil_mode`, `divisor_override` or padding that is not counted cannot be "
                "compiled: its windows differ in size."
            )
    dilation = _pair(module.dilation) if isinstance(module, nn.MaxPool2d) else (1, 1)
    windows = _windows(shape, kernel, stride, [(p, p) for p in padding], dilation)
    taps = windows.reshape(-1, windows.shape[-1])
    if isinstance(module, nn.MaxPool2d):
        return np.where(taps < 0, taps.max(axis=1, keepdims=True), taps)
    return taps


def _divided(module: nn.AdaptiveAvgPool2d, sizes: Image) -> tuple[int, ...]:
    """The windows' height and width, where they are all of one size."""
    asked = module.output_size if isinstance(module.output_size, tuple) else (module.output_size,) * 2
    made = [size if wanted is None else wanted for size, wanted in zip(sizes, asked, strict=True)]
    if any(size % wanted for size, wanted in zip(sizes, made, strict=True)):
        raise InputError(
            f"Adaptive pooling of {sizes[0]} × {sizes[1]} to {made[0]} × {made[1]} has windows of different "
            f"sizes, which cannot be compiled: choose sizes that divide."
        )
    return tuple(size // wanted for size, wanted in zip(sizes, made, strict=True))


def _uneven(module: nn.MaxPool2d | nn.AvgPool2d) -> bool:
    """Whether an average is over fewer at the edges, or divided by another number."""
    if isinstance(module, nn.MaxPool2d):
        return False
    uncounted = not module.count_include_pad and any(_pair(module.padding))
    return uncounted or module.divisor_override is not None


def channel_taps(shape: Image) -> NDArray[np.int64]:
    """Every feature by itself, a group for each channel: ``[channels, positions, 1]``.

    Example:
        >>> channel_taps((2, 1, 2)).tolist()
        [[[0], [1]], [[2], [3]]]
    """
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape[0], -1, 1)


def _windows(
    shape: Image,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: list[tuple[int, int]],
    dilation: tuple[int, ...],
) -> NDArray[np.int64]:
    """The features of each window, ``[channels, positions, h * w]``; −1 is padding."""
    features = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    image = np.pad(features, [(0, 0), *padding], constant_values=-1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(1, 2))
    views = views[:, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return np.asarray(views).reshape(shape[0], views.shape[1] * views.shape[2], -1)


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size, size)
