"""One training under one of the optimizers, looked at after every epoch or so."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from rote.learners import batches
from rote.optim import M3, RA3, RM3
from rote.studies._noisy import Noisy
from rote.studies._redrawn import Curves, accuracies, append, built, redrawn
from rote.studies._study import Config, Place, Record

LOOKS = 12
"""How often a training is looked at, beside the start."""


def optimizer_of(config: Config, parameters: Iterable[Tensor]) -> Optimizer:
    """The optimizer that a configuration names; only ``momentum`` has momentum, as in the released code.

    Example:
        >>> import torch
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer_of({"optimizer": "momentum", "lr": 0.1}, [w]).defaults["momentum"]
        0.9
        >>> type(optimizer_of({"optimizer": "rm3", "lr": 0.1}, [w])).__name__
        'RM3'
    """
    name, lr = config["optimizer"], config["lr"]
    if name in ("m3", "rm3", "ra3"):
        return {"m3": M3, "rm3": RM3, "ra3": RA3}[name](parameters, lr=lr)
    return SGD(parameters, lr=lr, momentum=0.9 if name == "momentum" else 0.0)


def batch_of(config: Config) -> int:
    """Examples a step: ``wide``, which is M3 with the mean for the median, takes three batches at once.

    Example:
        >>> batch_of({"optimizer": "wide", "batch": 100}), batch_of({"optimizer": "m3", "batch": 100})
        (300, 100)
    """
    return int(config["batch"]) * (3 if config["optimizer"] == "wide" else 1)


def looks(epochs: int) -> list[int]:
    """After which epochs to look.

    Example:
        >>> looks(4), looks(24)[:4]
        ([0, 1, 2, 3, 4], [0, 2, 4, 6])
    """
    return sorted({round(epochs * look / LOOKS) for look in range(LOOKS + 1)})


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train, and see after each few epochs what was learned of which part."""
    data = redrawn(config, seed, place)
    model = built(config, data.x.shape[1:], data.classes, seed).to(place.device)
    curves = train(model, data, config, seed)
    return {"epoch": looks(config["epochs"]), "proper": data.proper, **curves}


def train(model: nn.Module, data: Noisy, config: Config, seed: int) -> Curves:
    """Train in place, with a learning rate that falls to a tenth after each third of the epochs.

    Example:
        >>> config = {"data": "digits", "train": 100, "test": 50, "noise": 0.5, "network": "mlp", "size": [8]}
        >>> config |= {"optimizer": "rm3", "lr": 0.1, "batch": 20, "epochs": 2}
        >>> data = redrawn(config, 0, Place())
        >>> found = train(built(config, (1, 8, 8), 10, 0), data, config, seed=0)
        >>> len(found["test"])
        3
    """
    epochs, size = int(config["epochs"]), batch_of(config)
    optimizer = optimizer_of(config, model.parameters())
    rate = MultiStepLR(optimizer, [round(epochs / 3), round(2 * epochs / 3)])
    curves: Curves = {}
    seen = looks(epochs)
    for epoch in range(epochs + 1):
        if epoch in seen:
            append(curves, accuracies(model, data))
        if epoch == epochs:
            break
        for batch in batches(len(data.y), size, seed=seed, epoch=epoch):
            _step(model, optimizer, data.x[batch], data.y[batch])
        rate.step()
    return curves


def _step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    _: Any = optimizer.step()
