"""Early stopping, L2, and the speed of learning: one network, noisy labels, with and without weight decay."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from rote.studies._noisy import (
    endless_batches,
    evaluation_steps,
    mean_loss_and_hits,
    network,
    noisy,
    shares,
)
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, MissingCellError, Place, Record, Rows, Scale, one, some

NOISE = (0.0, 0.25, 0.5, 0.75, 1.0)
DECAYS: dict[str, tuple[float, ...]] = {
    "quick": (0.0, 0.003, 0.01, 0.03),
    "paper": (0.0, 0.0003, 0.001, 0.003),
}
"""L2 penalties λ, at 50 % noise. One acts after about 1/(ηλ) steps, so they go with the length of the run."""

_PROTOCOL: dict[str, Any] = {"data": "mnist", "hidden": [256, 256, 256], "batch": 100, "lr": 0.1}
_SIZES: dict[str, dict[str, Any]] = {
    "quick": {"train": 2000, "test": 2000, "steps": 1000},
    "paper": {"train": None, "test": None, "steps": 60_000},
}
_ACCURACY = Axis("accuracy", low=0.0, high=1.0, percent=True)
_STEP = Axis("step", "log1p")


def noise_configs(scale: Scale) -> list[Config]:
    """Every noise level, without weight decay."""
    return [_config(scale, noise, 0.0) for noise in NOISE]


def stopping_configs(scale: Scale) -> list[Config]:
    """50 % noise, without weight decay."""
    return [_config(scale, 0.5, 0.0)]


def decay_configs(scale: Scale) -> list[Config]:
    """50 % noise with every penalty."""
    return [_config(scale, 0.5, decay) for decay in DECAYS[scale]]


def _config(scale: Scale, noise: float, decay: float) -> Config:
    return _PROTOCOL | _SIZES[scale] | {"noise": noise, "weight_decay": decay}


def cost(config: Config) -> float:
    """Seconds of one core."""
    train, test = config["train"] or 60_000, config["test"] or 10_000
    return float(0.003 * config["steps"] + 1e-5 * (train + test) * len(evaluation_steps(config["steps"])))


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train by plain SGD with weight decay, and look at the evaluation steps; curves over ``steps``."""
    data = noisy(config, seed, place)
    net = network(data.x.shape[1:], data.classes, config["hidden"], seed).to(place.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=config["lr"], weight_decay=config["weight_decay"])
    looks = evaluation_steps(config["steps"])
    curves: dict[str, list[Any]] = {name: [] for name in _CURVES}
    order = endless_batches(len(data.y), config["batch"], seed=seed)
    for step in range(config["steps"] + 1):
        if step in looks:
            loss, hits = mean_loss_and_hits(net, data.x, data.y)
            _, test_hits = mean_loss_and_hits(net, data.x_test, data.y_test)
            accuracies = (float(h.double().mean()) for h in (hits, test_hits))
            for name, value in zip(_CURVES, (loss, *accuracies, *shares(hits, data.corrupt)), strict=True):
                curves[name].append(value)
        if step < config["steps"]:
            chosen = next(order).to(place.device)
            batch_loss = nn.functional.cross_entropy(net(data.x[chosen]), data.y[chosen])
            optimizer.zero_grad()
            batch_loss.backward()
            optimizer.step()
    return {"steps": looks, "proper": data.proper, **curves}


_CURVES = ("train_loss", "train_accuracy", "test_accuracy", "pristine_accuracy", "corrupt_accuracy")


def fall_after_peak(rows: Rows) -> float:
    """Best test accuracy of all looks minus that at the end."""
    test = one(rows, noise=0.5, weight_decay=0.0)["test_accuracy"]
    return float(max(test) - test[-1])


def memorised_after_peak(rows: Rows) -> float:
    """Corrupt labels fitted at the end minus those fitted when the test accuracy is best."""
    record = one(rows, noise=0.5, weight_decay=0.0)
    best = int(np.argmax(record["test_accuracy"]))
    return float(record["corrupt_accuracy"][-1] - record["corrupt_accuracy"][best])


def corrupt_fall(rows: Rows) -> float:
    """By how much fewer corrupt labels are fitted at the end from a penalty to the next, at least."""
    ends = [one(rows, weight_decay=decay)["corrupt_accuracy"][-1] for decay in _penalties(rows)]
    return float(min(a - b for a, b in pairwise(ends)))


def _penalties(rows: Rows) -> list[float]:
    """The penalties of a scale, ascending.

    Raises:
        MissingCellError: If one of them has not run.
    """
    found = sorted({row.config["weight_decay"] for row in rows})
    if tuple(found) not in DECAYS.values():
        raise MissingCellError("not all penalties have run")
    return found


def _decays_of(rows: Rows) -> tuple[float, ...]:
    return tuple(sorted({row.config["weight_decay"] for row in rows}))


def gain_on_the_test(rows: Rows) -> float:
    """Test accuracy at the end with the largest penalty minus that without one."""
    ends = [one(rows, weight_decay=decay)["test_accuracy"][-1] for decay in (_penalties(rows)[-1], 0.0)]
    return float(ends[0] - ends[1])


def slowing(rows: Rows) -> float:
    """By how much the mean training accuracy over the looks falls from a noise level to the next."""
    means = [float(np.mean(one(rows, noise=noise)["train_accuracy"])) for noise in NOISE]
    return min(a - b for a, b in pairwise(means))


def stopping_panels(rows: Rows) -> list[Panel]:
    """Test accuracy, and which labels are fitted."""
    named = (
        ("test", "test_accuracy", 0),
        ("pristine", "pristine_accuracy", 2),
        ("corrupt", "corrupt_accuracy", 1),
    )
    lines = [
        Line(name, [curve(row.record["steps"], row.record[key]) for row in rows], style)
        for name, key, style in named
    ]
    return [Panel("50% noise", _STEP, _ACCURACY, lines, (0.1, "chance"))]


def decay_panels(rows: Rows) -> list[Panel]:
    """Corrupt labels fitted, and test accuracy, for each penalty."""
    titles = (("corrupt_accuracy", "Corrupt labels fitted"), ("test_accuracy", "Test accuracy"))
    return [
        Panel(title, _STEP, _ACCURACY, _lines(rows, key, "weight_decay", _decays_of(rows)))
        for key, title in titles
    ]


def speed_panels(rows: Rows) -> list[Panel]:
    """Training accuracy and loss for each noise level."""
    loss = Axis("mean loss", low=0.0)
    return [
        Panel("Training accuracy", _STEP, _ACCURACY, _lines(rows, "train_accuracy", "noise", NOISE)),
        Panel("Training loss", _STEP, loss, _lines(rows, "train_loss", "noise", NOISE)),
    ]


def _lines(rows: Rows, key: str, by: str, values: tuple[float, ...]) -> list[Line]:
    return [
        Line(
            f"{value:.0%}" if by == "noise" else f"{value:g}",
            [curve(row.record["steps"], row.record[key]) for row in some(rows, **{by: value})],
            style,
        )
        for style, value in enumerate(values)
    ]
