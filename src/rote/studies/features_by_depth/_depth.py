"""Four measures of each layer of a network on images, before and after training."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.dynamics import activations, by_depth, linear_probes, linear_units, two_nn
from rote.learners import Recipe, start, train_epoch
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._redrawn import accuracies, built, redrawn
from rote.studies._study import Config, Place, Record, Rows, Scale, one

WHEN = ("before", "after")
MEASURES = ("probe", "selectivity", "linear_share", "r2", "dimension", "pieces")


def configs(scale: Scale) -> list[Config]:
    """One network at each scale."""
    base = {"data": "mnist", "network": "mlp", "noise": 0.0, "momentum": 0.9, "lr": 0.02, "batch": 50}
    if scale == "quick":
        sizes = {
            "train": 6000,
            "test": 2000,
            "halved": 1,
            "size": [64] * 4,
            "epochs": 10,
            "lines": 50,
            "components": 50,
        }
    else:
        sizes = {
            "train": None,
            "test": None,
            "halved": 0,
            "size": [256] * 5,
            "epochs": 20,
            "lines": 200,
            "components": 50,
        }
    return [{**base, **sizes}]


def cost(config: Config) -> float:
    """Seconds of one core: the probes take most of it."""
    return 15.0 if config["train"] else 2000.0


def cell(config: Config, seed: int, place: Place) -> Record:
    """Measure a network on test examples, train it, measure it again."""
    data = redrawn(config, seed, place)
    model = built(config, data.x.shape[1:], data.classes, seed).to(place.device)
    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum")})
    progress = start(model, recipe)
    sizes = {name: int(config[name]) for name in ("lines", "components")}
    record: dict[str, Any] = {"before": profile(model, data.x_test, data.y_test, **sizes, seed=seed)}
    for _ in range(recipe.epochs):
        train_epoch(model, data.x, data.y, recipe, progress, seed=seed)
    record["after"] = profile(model, data.x_test, data.y_test, **sizes, seed=seed)
    return {**record, **{name: accuracies(model, data)[name] for name in ("train", "test")}}


def profile(
    model: nn.Module, x: Tensor, y: Tensor, *, lines: int, components: int, seed: int
) -> dict[str, list[float | None]]:
    """Each measure by depth, the input first, which is linear and of one piece.

    Args:
        model: With ReLUs as modules.
        x: Test examples.
        y: Their labels.
        lines: Between pairs of them.
        components: How many principal ones stand for the input where units are asked how linear they are: of
            pixels that are almost always black a few examples would decide.
        seed: Of splits and lines.

    Example:
        >>> from rote.learners import mlp
        >>> x, y = torch.randn(60, 3), torch.arange(60) % 2
        >>> found = profile(mlp((3,), 2, hidden=[4, 4]), x, y, lines=2, components=3, seed=0)
        >>> [len(found[name]) for name in MEASURES], found["pieces"][0]
        ([3, 3, 3, 3, 3, 3], 1.0)
    """
    found = by_depth(model, x, y, lines=lines, seed=seed)
    probe = linear_probes({"input": x}, y, seed=seed)
    inputs = {
        "probe": float(probe.test[0]),
        "selectivity": float(probe.selectivity[0]),
        "linear_share": 1.0,
        "r2": 1.0,
        "dimension": two_nn(x).value,
        "pieces": 1.0,
    }
    units = linear_units(activations(model, x, found.layers), principal(x, components), seed=seed)
    r2 = [float(np.nanmean(each)) for each in units.r2]
    layers = {name: getattr(found, name).tolist() for name in MEASURES if name != "r2"}
    layers |= {"linear_share": units.share.tolist(), "r2": r2}
    return {name: [inputs[name], *layers[name]] for name in MEASURES}


def principal(x: Tensor, components: int) -> Tensor:
    """The leading principal components of examples, ``[m, components]``.

    Example:
        >>> line = torch.arange(5.0)[:, None] * torch.tensor([[3.0, 4.0]])
        >>> principal(line, 1).abs()[:, 0].round().tolist()  # 5 apart, around the mean
        [10.0, 5.0, 0.0, 5.0, 10.0]
    """
    flat = x.flatten(1) - x.flatten(1).mean(0)
    U, s, _ = torch.linalg.svd(flat, full_matrices=False)
    leading: Tensor = U[:, :components] * s[:components]
    return leading


def change(rows: Rows, measure: str, when: str) -> float:
    """The last layer's value less that of the first after the input."""
    values = of(rows, measure, when)
    return values[-1] - values[1]


def smallest_rise(rows: Rows, measure: str, when: str) -> float:
    """The smallest step from a layer to the next, the input left out."""
    values = of(rows, measure, when)[1:]
    return min(b - a for a, b in pairwise(values))


def lowered(rows: Rows, measure: str) -> float:
    """Mean over layers before training less that after it."""
    before, after = (of(rows, measure, when)[1:] for when in WHEN)
    return sum(before) / len(before) - sum(after) / len(after)


def grown(rows: Rows, measure: str) -> float:
    """The last layer's value after training over that before."""
    before, after = (of(rows, measure, when)[-1] for when in WHEN)
    return after / before


def of(rows: Rows, measure: str, when: str) -> list[float]:
    """A measure by depth, nan where it is undefined."""
    return [float("nan") if value is None else float(value) for value in one(rows)[when][measure]]


def panels(rows: Rows) -> list[Panel]:
    """Each measure over depth, before and after training; the input is layer 0."""
    titles = {
        "probe": ("What a linear probe reads", Axis("test accuracy", high=1.0, percent=True)),
        "r2": ("How linear units are in the input", Axis("mean R²", high=1.0)),
        "dimension": ("Intrinsic dimension", Axis("TwoNN", low=0.0)),
        "pieces": ("Pieces of a line", Axis("linear pieces", "log")),
    }
    return [
        Panel(title, Axis("layer"), y, _lines(rows, measure))
        for measure, (title, y) in titles.items()
        if rows
    ]


def _lines(rows: Rows, measure: str) -> Sequence[Line]:
    return [
        Line(
            when,
            [curve(range(len(row.record[when][measure])), row.record[when][measure]) for row in rows],
            style,
        )
        for style, when in enumerate(WHEN)
    ]
