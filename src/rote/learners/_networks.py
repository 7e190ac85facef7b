"""Reference networks: small, without batch normalisation, so that every example has a gradient of its own.

All of them take the raw batch ``[b, …]`` of a dataset and return logits ``[b, classes]``. Weights come from
torch's global random state: seed it first.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn


def mlp(shape: Sequence[int], classes: int, *, hidden: Sequence[int] = (256, 256, 256)) -> nn.Sequential:
    """Fully connected network with ReLUs on the flattened example.

    The default widths are those of the winsorized-gradient experiments of Chatterjee (ICLR 2020, §3).

    Args:
        shape: Shape of one example, for example ``(1, 28, 28)``.
        classes: Number of outputs.
        hidden: Width of each hidden layer, from the input on.

    Returns:
        A module from ``[b, *shape]`` to ``[b, classes]``.

    Example:
        >>> [tuple(p.shape) for p in mlp((1, 8, 8), 10, hidden=(16,)).parameters()]
        [(16, 64), (16,), (10, 16), (10,)]
    """
    widths = [prod(shape), *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def cnn(shape: Sequence[int], classes: int, *, channels: Sequence[int] = (32, 64, 64)) -> nn.Sequential:
    """Small convolutional network: 3×3 convolutions of stride 2 with ReLUs, then one hidden layer.

    Strides halve the image, not pooling: on a CPU max-pooling costs more than these convolutions do.

    Args:
        shape: Shape ``(c, h, w)`` of one image, h and w at least 4.
        classes: Number of outputs.
        channels: Channels after each convolution.

    Returns:
        A module from ``[b, c, h, w]`` to ``[b, classes]``.

    Raises:
        ValueError: If ``shape`` is not that of an image, or the image is too small.

    Example:
        >>> import torch
        >>> cnn((3, 32, 32), 10)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    height, width = _image_size(shape, smallest=4)
    layers: list[nn.Module] = []
    for c_in, c_out in zip([shape[0], *channels], channels, strict=False):
        layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.ReLU()]
        height, width = (height + 1) // 2, (width + 1) // 2
    features = channels[-1] * height * width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, classes))


class _Block(nn.Module):
    """Two 3×3 convolutions with group normalisation and a shortcut (He et al. 2016, Fig. 2)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
            _norm(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
            _norm(c_out),
        )
        same = stride == 1 and c_in == c_out
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), _norm(c_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.shortcut(x)
        return out.relu()


def resnet18(shape: Sequence[int], classes: int, *, width: int = 64) -> nn.Sequential:
    """ResNet-18 for small images (3×3 stem, no max-pooling), with group instead of batch normalisation.

    Batch normalisation couples the examples of a batch, so none has a gradient of its own; group
    normalisation (Wu & He 2018) does not.

    Args:
        shape: Shape ``(c, h, w)`` of one image, h and w at least 8.
        classes: Number of outputs.
        width: Channels of the first stage; the four stages have 1, 2, 4 and 8 times as many.

    Returns:
        A module from ``[b, c, h, w]`` to ``[b, classes]``.

    Raises:
        ValueError: If ``shape`` is not that of an image, or the image is too small.

    Example:
        >>> import torch
        >>> resnet18((1, 8, 8), 3, width=8)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """
    _image_size(shape, smallest=8)
    stem = [nn.Conv2d(shape[0], width, 3, padding=1, bias=False), _norm(width), nn.ReLU()]
    blocks: list[nn.Module] = []
    c_in = width
    for stage in range(4):
        c_out = width * 2**stage
        blocks += [_Block(c_in, c_out, stride=1 if stage == 0 else 2), _Block(c_out, c_out, stride=1)]
        c_in = c_out
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes))


def alexnet(shape: Sequence[int], classes: int, *, width: int = 64) -> nn.Sequential:
    """AlexNet’s shape for small images: five convolutions, three of them pooled, and three layers.

    That of Krizhevsky et al. 2012 with 3×3 kernels, for images of about 32 × 32. Their dropout and local
    response normalisation are left out, so what it computes is not random and nothing is normalised.

    Args:
        shape: Shape ``(c, h, w)`` of one image, h and w at least 16.
        classes: Number of outputs.
        width: Channels of the first convolution; the others have 3, 6, 4 and 4 times as many, and the two
            hidden layers 64 times as many units (theirs: 64, 192, 384, 256, 256 and 4096).

    Returns:
        A module from ``[b, c, h, w]`` to ``[b, classes]``.

    Raises:
        ValueError: If ``shape`` is not that of an image, or the image is too small.

    Example:
        >>> import torch
        >>> alexnet((3, 32, 32), 10, width=2)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    height, width_of_image = _image_size(shape, smallest=16)
    layers: list[nn.Module] = []
    c_in = shape[0]
    for place, (times, pooled) in enumerate([(1, True), (3, True), (6, False), (4, False), (4, True)]):
        layers += [nn.Conv2d(c_in, times * width, 3, stride=1 if place else 2, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
        c_in = times * width
    features = c_in * ((height + 1) // 16) * ((width_of_image + 1) // 16)
    head = [nn.Linear(features, 64 * width), nn.ReLU(), nn.Linear(64 * width, 64 * width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(64 * width, classes))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(8, channels), channels)


def _image_size(shape: Sequence[int], *, smallest: int) -> tuple[int, int]:
    """Height and width, or a sentence that says why there are none."""
    if len(shape) != 3 or min(shape[1:]) < smallest:
        raise ValueError(
            f"`shape` must be that of an image (c, h, w) with h and w at least {smallest}. "
            f"Got {tuple(shape)}; for other examples use `mlp`."
        )
    return shape[1], shape[2]
