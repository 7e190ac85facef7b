"""One simple coordinate among many complex ones, each of which would be enough (but for the noisy one)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from rote.dynamics import PlantedData, lms, lms_hat, ms, randomised
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.simplicity_bias._train import accuracy, classifier, tensors, train

DRAWN: dict[str, Callable[..., PlantedData]] = {
    "lms-5": partial(lms, 5),
    "ms-5-7": partial(ms, 5, 7),
    "lms-hat-7": partial(lms_hat, 7, noise=0.1),
    "ms-7": partial(ms, 7, 7),
}
CURVES = ("accuracy", "randomised_accuracy", "rest_accuracy")
SEEN = 4000
"""So many examples of each part are looked at on the way."""

_TEXT = {"momentum": 0.0, "weight_decay": 5e-7}
_NOTEBOOK = {"momentum": 0.9, "weight_decay": 5e-4}


def configs(scale: Scale) -> list[Config]:
    """The four data sets, each with the SGD that was used for it."""
    base = {"test": 20_000, "hidden": [100, 100], "lr": 0.1, "batch": 256, "enough": 0.01}
    if scale == "quick":
        base["d"] = 20
        sizes = {
            "lms-5": {"train": 50_000, "steps": 5000, "every": 50},
            "ms-5-7": {"train": 50_000, "steps": 15_000, "every": 250},
            "lms-hat-7": {"train": 10_000, "steps": 8000, "every": 250},
            "ms-7": {"train": 10_000, "steps": 8000, "every": 250},
        }
    else:
        base["d"] = 50
        sizes = {
            "lms-5": {"train": 100_000, "steps": 20_000, "every": 100},
            "ms-5-7": {"train": 100_000, "steps": 60_000, "every": 500},
            "lms-hat-7": {"train": 40_000, "steps": 78_000, "every": 500},
            "ms-7": {"train": 40_000, "steps": 78_000, "every": 500},
        }
    sgd = {"lms-5": _TEXT, "ms-5-7": _TEXT, "lms-hat-7": _NOTEBOOK, "ms-7": _NOTEBOOK}
    return [{"data": name, **base, **sizes[name], **sgd[name]} for name in DRAWN]


def cost(config: Config) -> float:
    """Seconds of one core: a millisecond a step, and most need half of those allowed."""
    return float(config["steps"]) / 2000


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train until the loss is low, with what the network rests on on the way, and at the end in full."""
    sizes = int(config["train"]), int(config["test"])
    data = DRAWN[config["data"]](sum(sizes), d=int(config["d"]), seed=seed)
    own, test = data[: sizes[0]], data[sizes[0] :]
    model = classifier(int(config["d"]), config["hidden"], seed).to(place.device)
    record: dict[str, Any] = {"step": [], "train": [], "learned": None, **{name: [] for name in CURVES}}

    def look(step: int) -> bool:
        some = test[:SEEN]
        found = randomised(model, some.X, some.y, some.simple, rotation=some.rotation, seed=seed)
        record["step"].append(step)
        record["train"].append(accuracy(model, own[:SEEN]))
        for name in CURVES:
            record[name].append(getattr(found, name))
        if record["learned"] is None and found.accuracy >= 0.99:
            record["learned"] = step
        return mean_loss(model, own[:SEEN]) < float(config["enough"])

    train(model, own, config, seed, look)
    end = randomised(model, test.X, test.y, test.simple, rotation=test.rotation, seed=seed)
    return {**record, "end": end.to_dict()}


def mean_loss(model: nn.Module, data: PlantedData) -> float:
    """Mean logistic loss, in nats.

    Example:
        >>> model = classifier(3, [4], 0)
        >>> _ = [torch.nn.init.zeros_(p) for p in model.parameters()]
        >>> round(mean_loss(model, lms(5, 40, d=3, seed=0)), 4)
        0.6931
    """
    x, y = tensors(data, next(model.parameters()).device)
    with torch.no_grad():
        return float(nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y))
