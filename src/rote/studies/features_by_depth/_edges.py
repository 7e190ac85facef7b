"""Filters of the first layer: are they edge detectors, and what is left of two of them in their average?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.dynamics import Tuning, first_layer_filters, orientation_tuning
from rote.learners import Recipe, start, train_epoch
from rote.studies._panels import Axis, Line, Panel, Pictures, curve
from rote.studies._redrawn import accuracies, redrawn
from rote.studies._study import Config, Place, Record, Rows, Scale, one, some
from rote.studies.features_by_depth import _pictures

Floats = NDArray[np.float64]
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
KINDS = ("before", "after", "averages")
ANGLES = 36


def configs(scale: Scale) -> list[Config]:
    """The same network on both data sets; what its units look for is sought on MNIST."""
    base = {"noise": 0.0, "kernel": 7, "momentum": 0.9, "batch": 50, "lr": 0.02, "shown": 8}
    sought = {"mnist": {"shown": 6, "l2": [0.001, 0.05], "jitter": 3, "steps": 300}}
    if scale == "quick":
        sizes: Config = {"test": 2000, "channels": [16, 32], "epochs": 8}
    else:
        sizes = {"test": None, "channels": [64, 64], "epochs": 20}
    train = {"mnist": 6000, "cifar10": 20_000} if scale == "quick" else {}
    return [
        {"data": name, "train": train.get(name), "sought": sought.get(name), **base, **sizes}
        for name in NAMES
    ]


def sought_configs(scale: Scale) -> list[Config]:
    """Those in which it is asked what units look for."""
    return [config for config in configs(scale) if config["sought"]]


def cost(config: Config) -> float:
    """Seconds of one core: 0.15 ms an example and pass at quick scale, ten times that at paper scale."""
    each = 1.5e-4 if config["train"] else 1.5e-3
    return each * float((config["train"] or 50_000) * config["epochs"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train a small convolutional network; tune its first filters before and after, and averages of pairs.

    ``filters`` are the most selective ones as pictures; ``sought``, if asked for, what units look for.
    """
    data = redrawn(config, seed, place)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(data.x.shape[1:], data.classes, config).to(place.device)
    filters = {"before": first_layer_filters(model).sum(1)}
    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum")})
    progress = start(model, recipe)
    for _ in range(recipe.epochs):
        train_epoch(model, data.x, data.y, recipe, progress, seed=seed)
    filters["after"] = first_layer_filters(model).sum(1)
    filters["averages"] = averages(filters["after"])
    noise = np.random.default_rng(0).standard_normal((2000, *filters["after"].shape[1:]))
    tunings = {kind: orientation_tuning(each, angles=ANGLES) for kind, each in filters.items()}
    best = tunings["after"].selectivity.argsort()[::-1][: int(config["shown"])]
    return {
        "random": np.quantile(orientation_tuning(noise, angles=ANGLES).selectivity, [0.5, 0.95]).tolist(),
        **{kind: tuned(tuning) for kind, tuning in tunings.items()},
        **{name: accuracies(model, data)[name] for name in ("train", "test")},
        "filters": _pictures.chosen({**filters, "added": filters["after"] - filters["before"]}, best),
        "sought": config["sought"]
        and _pictures.sought(model, data.x.shape[1:], seed=seed, **config["sought"]),
    }


def network(shape: Sequence[int], classes: int, config: Config) -> nn.Sequential:
    """Two convolutions of stride 2, the first with large filters to look at, and one linear layer.

    Example:
        >>> net = network((3, 32, 32), 10, {"channels": [4, 8], "kernel": 7})
        >>> net(torch.zeros(2, 3, 32, 32)).shape, net[0].weight.shape
        (torch.Size([2, 10]), torch.Size([4, 3, 7, 7]))
    """
    first, second = config["channels"]
    kernel = int(config["kernel"])
    places = -(-shape[1] // 4) * -(-shape[2] // 4)
    return nn.Sequential(
        nn.Conv2d(shape[0], first, kernel, stride=2, padding=kernel // 2),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second * places, classes),
    )


def averages(filters: NDArray[np.floating[Any]]) -> Floats:
    """The average of each filter with the one whose orientation is nearest to 90 degrees from its own.

    Both are first scaled so that they answer alike to the wave that suits each best.

    Args:
        filters: Shape ``[units, h, w]``.

    Example:
        >>> from rote.dynamics import gabor
        >>> edges = np.stack([gabor(7, angle, wavelength=7) for angle in (0, 0.1, np.pi / 2)])
        >>> bool(np.allclose(*averages(edges)[[0, 2]]))  # of the same two
        True
    """
    tuning = orientation_tuning(filters, angles=ANGLES)
    unit: Floats = filters / tuning.peak[:, None, None]
    twice = 2 * tuning.preferred
    partner = np.cos(twice[:, None] - twice).argmin(1)
    found: Floats = (unit + unit[partner]) / 2
    return found


def tuned(tuning: Tuning) -> dict[str, list[float]]:
    """Selectivity of each filter, falling, and the mean answer by the angle from each one's own.

    Example:
        >>> from rote.dynamics import gabor
        >>> edge = [gabor(7, 0, wavelength=7)]
        >>> found = tuned(orientation_tuning(edge, angles=4))
        >>> len(found["selectivity"]), found["answer"][0]
        (1, 1.0)
    """
    own = tuning.responses.argmax(1)[:, None]
    turned = (own + np.arange(len(tuning.angles))) % len(tuning.angles)
    answers = np.take_along_axis(tuning.responses, turned, axis=1) / tuning.peak[:, None]
    return {
        "selectivity": np.sort(tuning.selectivity)[::-1].round(6).tolist(),
        "answer": answers.mean(0).round(6).tolist(),
    }


def mean_selectivity(rows: Rows, data: str, kind: str) -> float:
    """Mean over the filters."""
    values = one(rows, data=data)[kind]["selectivity"]
    return float(np.mean(values))


def gained(rows: Rows, data: str) -> float:
    """Mean selectivity after training less that before."""
    return mean_selectivity(rows, data, "after") - mean_selectivity(rows, data, "before")


def lost(rows: Rows, data: str) -> float:
    """Mean selectivity of the filters less that of the averages of pairs."""
    return mean_selectivity(rows, data, "after") - mean_selectivity(rows, data, "averages")


def detectors(rows: Rows, data: str) -> float:
    """Share of the filters more selective than 95 % of random ones."""
    record = one(rows, data=data)
    return float(np.mean(np.array(record["after"]["selectivity"]) > record["random"][1]))


def panels(rows: Rows) -> list[Panel | Pictures]:
    """Selectivity of the filters in falling order, their mean answer around each one's own, and pictures."""
    found: list[Panel | Pictures] = []
    for data, title in NAMES.items():
        here = some(rows, data=data)
        if not here:
            continue
        ranks = [
            Line(
                kind,
                [curve(_ranks(row.record[kind]), row.record[kind]["selectivity"]) for row in here],
                style,
            )
            for style, kind in enumerate(KINDS)
        ]
        axis = Axis("orientation selectivity", low=0.0, high=1.0)
        median = (here[0].record["random"][0], "")
        found.append(Panel(f"{title}: filters, best first", Axis("filter"), axis, ranks, median))
        answers = [
            Line(kind, [_around(row.record[kind]["answer"]) for row in here], style)
            for style, kind in enumerate(KINDS)
        ]
        degrees = Axis("degrees from its own", low=-90, high=90)
        found.append(Panel(f"{title}: answer", degrees, Axis("of the largest", low=0.0, high=1.0), answers))
    return [*found, *_pictures.filters(rows, NAMES)]


def _ranks(record: Record) -> list[int]:
    return list(range(1, len(record["selectivity"]) + 1))


def _around(answers: Sequence[float]) -> list[tuple[float, float]]:
    half = len(answers) // 2
    turned = [*answers[half:], *answers[:half], answers[half]]
    return [(180 * i / len(answers) - 90, value) for i, value in enumerate(turned)]
