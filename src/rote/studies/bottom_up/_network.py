"""Networks of this study: blocks of a convolution or Linear layer, batch normalisation and a ReLU."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rote.studies._study import Config

_NAMES = {"c": "conv", "s": "conv", "f": "fc", "p": "pool", "m": "mean"}


def network(shape: Sequence[int], classes: int, plan: Sequence[str]) -> nn.Sequential:
    """A network as planned, and a Linear layer on top; weights come from torch's global random state.

    Args:
        shape: Shape ``(c, h, w)`` of one image.
        classes: Number of outputs.
        plan: ``c16``: a block with a 3×3 convolution to 16 channels; ``s16``: the same with stride 2; ``p``:
            2×2 max-pooling; ``m``: the mean over all places; ``f64``: a fully connected block of 64 units.

    Returns:
        Its blocks are children named ``conv1``, ``conv2``, …, ``fc1``, …, ``out``; in each ``0`` is the layer
        and ``1`` its batch normalisation.

    Example:
        >>> net = network((3, 8, 8), 10, ["c4", "p", "f5"])
        >>> [name for name, child in net.named_children() if list(child.parameters())]
        ['conv1', 'fc1', 'out']
        >>> net(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """
    net, flat = nn.Sequential(), False
    state = torch.zeros(1, *shape)
    for word in plan:
        kind, width = word[0], int(word[1:] or 0)
        count = sum(name.startswith(_NAMES[kind]) for name, _ in net.named_children()) + 1
        if kind == "f" and not flat:
            net.add_module("flat", nn.Flatten())
            state, flat = state.flatten(1), True
        block = _block(kind, state.shape[1], width)
        net.add_module(f"{_NAMES[kind]}{count}", block)
        with torch.no_grad():
            state = block.eval()(state)
        flat = flat or kind == "m"
    net.add_module(
        "out", nn.Sequential(*([] if flat else [nn.Flatten()]), nn.Linear(state[0].numel(), classes))
    )
    return net.train()


def _block(kind: str, width_in: int, width: int) -> nn.Sequential:
    if kind == "p":
        return nn.Sequential(nn.MaxPool2d(2))
    if kind == "m":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "f":
        return nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())
    stride = 2 if kind == "s" else 1
    convolution = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


def planned(config: Config, shape: Sequence[int], classes: int, seed: int) -> nn.Sequential:
    """The network of a configuration's ``plan``, with weights of this seed; torch's state is left as it was.

    Example:
        >>> a, b = (planned({"plan": ["f4"]}, (1, 2, 2), 3, seed=0) for _ in range(2))
        >>> torch.equal(a.fc1[0].weight, b.fc1[0].weight)
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(shape, classes, config["plan"])


def blocks(model: nn.Module) -> list[str]:
    """Names of the blocks that learn, from below.

    Example:
        >>> blocks(network((1, 8, 8), 2, ["c2", "p", "f3"]))
        ['conv1', 'fc1', 'out']
    """
    return [name for name, child in model.named_children() if any(True for _ in child.parameters())]


def backward_shares(model: nn.Module, probe: Tensor) -> dict[str, float]:
    """Each block's share of the multiplications of a backward pass.

    A layer multiplies as often for its weights' gradients as forwards, and as often again for those of its
    inputs, which the lowest layer does not need. Batch normalisation is not counted.

    Args:
        model: Of :func:`network`.
        probe: One example or more.

    Example:
        >>> net = network((1, 4, 4), 2, ["f8"])  # 16 to 8 once, 8 to 2 twice
        >>> backward_shares(net, torch.zeros(1, 1, 4, 4))
        {'fc1': 0.8, 'out': 0.2}
    """
    found: dict[str, float] = {}
    state = probe[:1]
    for name, child in model.named_children():
        with torch.no_grad():
            weights = sum(p.numel() for p in child.parameters() if p.dim() > 1)
            after = child.eval()(state)
            child.train()
        if weights:
            places = after[0, 0].numel() if after.dim() > 2 else 1
            found[name] = weights * places * (2.0 if found else 1.0)
        state = after
    return {name: value / sum(found.values()) for name, value in found.items()}
