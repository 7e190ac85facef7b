"""The networks of Frankle et al. 2020: LeNet-300-100, and ResNet-20 with batch normalisation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rote.learners import mlp
from rote.studies._study import Config


def network(config: Config, shape: Sequence[int], classes: int, seed: int) -> nn.Sequential:
    """The network that a configuration names, its weights of this seed.

    Args:
        config: ``network``, ``resnet20`` with a ``width``, or ``mlp`` with ``hidden`` widths.
        shape: Shape of one example.
        classes: Number of outputs.
        seed: Of the weights; torch's global random state is left as it was.

    Example:
        >>> lenet = network({"network": "mlp", "hidden": [300, 100]}, (1, 28, 28), 10, seed=0)
        >>> sum(p.numel() for p in lenet.parameters())
        266610
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config["network"] == "mlp":
            return mlp(shape, classes, hidden=config["hidden"])
        return resnet20(shape, classes, width=config["width"])


class _Block(nn.Module):
    """Two 3×3 convolutions with batch normalisation and a shortcut (He et al. 2016, Fig. 2)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normalised(c_in, c_out, 3, stride), nn.ReLU(), *_normalised(c_out, c_out, 3, 1)
        )
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Sequential(*([] if same else _normalised(c_in, c_out, 1, stride)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.shortcut(x)
        return out.relu()


def resnet20(shape: Sequence[int], classes: int, *, width: int = 16) -> nn.Sequential:
    """ResNet-20 for small images, with batch normalisation, as in He et al. 2016, §4.2.

    Where the size changes, the shortcut is a 1×1 convolution. With a width of 16 and ten classes it has
    274,000 parameters. Networks of :mod:`rote.learners` have no batch normalisation, the network of this
    paper has.

    Args:
        shape: Shape ``(c, h, w)`` of one image.
        classes: Number of outputs.
        width: Channels of the first stage; the other two have 2 and 4 times as many.

    Example:
        >>> net = resnet20((3, 32, 32), 10)
        >>> weights = [p for p in net.parameters() if p.dim() > 1]
        >>> net(torch.zeros(2, 3, 32, 32)).shape, sum(len(p.shape) < 4 or p.shape[2] > 1 for p in weights)
        (torch.Size([2, 10]), 20)
    """
    blocks: list[nn.Module] = [*_normalised(shape[0], width, 3, 1), nn.ReLU()]
    c_in = width
    for stage in range(3):
        c_out = width * 2**stage
        for block in range(3):
            blocks.append(_Block(c_in, c_out, stride=2 if stage and not block else 1))
            c_in = c_out
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes))


def _normalised(c_in: int, c_out: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(c_out)]
