"""Figure 4: the same labels, learned from winsorized gradients."""

from typing import Any

from torch import nn

from rote.optim import WinsorizedSGD
from rote.studies._noisy import (
    endless_batches,
    evaluation_steps,
    mean_loss_and_hits,
    network,
    noisy,
    shares,
)
from rote.studies._study import Config, Place, Record, Scale

NOISE = (0.0, 0.25, 0.5, 0.75, 1.0)
LEVELS = (0, 1, 2, 4, 8)
"""c: how many values are clamped at each end, of a batch of 100."""

_PROTOCOL: dict[str, Any] = {"data": "mnist", "hidden": [256, 256, 256], "batch": 100, "lr": 0.1}
_SIZES: dict[str, dict[str, Any]] = {
    "quick": {"train": 2000, "test": 2000, "steps": 1000},
    "paper": {"train": None, "test": None, "steps": 60_000},
}


def configs(scale: Scale) -> list[Config]:
    """Every c with every noise level."""
    return [_PROTOCOL | _SIZES[scale] | {"noise": noise, "c": c} for noise in NOISE for c in LEVELS]


def cost(config: Config) -> float:
    """Seconds of one core."""
    train, test = config["train"] or 60_000, config["test"] or 10_000
    looks = len(evaluation_steps(config["steps"]))
    a_step = 0.002 + (0.003 + 0.0005 * config["c"] if config["c"] else 0.0)
    return float(a_step * config["steps"] + 1e-5 * (train + test) * looks)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train with winsorized gradients of level c, and look at the evaluation steps.

    Returns:
        Curves over ``steps``, and ``overfit``: training accuracy minus what a network would have that learned
        as much as the test shows and fits no wrong label beyond chance, at each step.
    """
    data = noisy(config, seed, place)
    net = network(data.x.shape[1:], data.classes, config["hidden"], seed).to(place.device)
    optimizer = WinsorizedSGD(net, lr=config["lr"], c=config["c"])
    looks = evaluation_steps(config["steps"])
    curves: dict[str, list[Any]] = {name: [] for name in _CURVES}
    order = endless_batches(len(data.y), config["batch"], seed=seed)
    for step in range(config["steps"] + 1):
        if step in looks:
            _, hits = mean_loss_and_hits(net, data.x, data.y)
            _, test_hits = mean_loss_and_hits(net, data.x_test, data.y_test)
            train, test = float(hits.double().mean()), float(test_hits.double().mean())
            excess = overfit(train, test, noise=config["noise"], classes=data.classes)
            values = (train, test, *shares(hits, data.corrupt), excess)
            for name, value in zip(_CURVES, values, strict=True):
                curves[name].append(value)
        if step < config["steps"]:
            chosen = next(order).to(place.device)
            loss = nn.functional.cross_entropy(net(data.x[chosen]), data.y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {"steps": looks, "proper": data.proper, **curves}


_CURVES = ("train_accuracy", "test_accuracy", "pristine_accuracy", "corrupt_accuracy", "overfit")


def overfit(train: float, test: float, *, noise: float, classes: int) -> float:
    """``ta − [ε/C + (1 − ε)·va]``: 0 for a classifier that fits no wrong label beyond chance.

    Example:
        >>> overfit(0.55, 1.0, noise=0.5, classes=10), round(overfit(1.0, 0.8, noise=0.5, classes=10), 2)
        (0.0, 0.55)
    """
    return train - (noise / classes + (1 - noise) * test)
