"""Networks with two inputs as pictures: what they say over the plane, and what their units say."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.dynamics import activations, stripes, unit_contours
from rote.studies._panels import Pictures, Tile
from rote.studies._pixels import read, written
from rote.studies._study import Row, Rows, some

EXTENT = (-1.45, 1.45)
"""Stripes that are turned by 45 degrees reach to 1.42."""
LIVING = 0.1
"""A unit that is on for a smaller share of the examples is not shown."""
Picture = list[str]


def says(model: nn.Module, points: int) -> Picture:
    """The probability of label 1 over the plane, as text, the top row first.

    Args:
        model: Gives one logit; its last module is the one that does.
        points: A side.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 1))
        >>> _ = [nn.init.zeros_(p) for p in net.parameters()]
        >>> says(net, 3)  # one half everywhere
        ['hhh', 'hhh', 'hhh']
    """
    last = list(dict(model.named_modules()))[-1]
    logit = unit_contours(model, [last], extent=EXTENT, resolution=points).values[last][0]
    return written(0.5 + 0.5 * np.tanh(logit[::-1] / 2), 0, 1)


def units(model: nn.Module, X: NDArray[np.float32], count: int, points: int) -> list[list[Picture]]:
    """By hidden layer, over the plane, the first units that are on often enough, each of its own largest.

    Args:
        model: With ReLUs as modules.
        X: Examples, shape ``[m, 2]``.
        count: So many units of each layer; if too few are on, the first of the others as well.
        points: A side.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> (shown,) = units(net, np.ones((5, 2), np.float32), count=3, points=6)
        >>> len(shown), len(shown[0]), len(shown[0][0])
        (3, 6, 6)
    """
    relus = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    features = activations(model, torch.from_numpy(X).to(next(model.parameters()).device), relus)
    contours = unit_contours(model, relus, extent=EXTENT, resolution=points).values
    found = []
    for name in relus:
        on = (features[name] > 0).double().mean(0).cpu().numpy()
        chosen = contours[name][np.argsort(on < LIVING, kind="stable")[:count]]
        found.append([written(unit[::-1] / max(unit.max(), 1e-12), 0, 1) for unit in chosen])
    return found


def raster(X: NDArray[np.float32], y: NDArray[np.int64], points: int) -> list[list[float | None]]:
    """The mean label of the examples in each cell of a grid, the top row first; None where there is none.

    Example:
        >>> raster(np.array([[-1, -1], [1, 1], [1.1, 1]], np.float32), np.array([0, 1, 0]), 2)
        [[None, 0.5], [0.0, None]]
    """
    count, sums = (
        np.histogram2d(X[:, 1], X[:, 0], bins=points, range=(EXTENT, EXTENT), weights=weights)[0]
        for weights in (None, y)
    )
    return [
        [round(s / c, 3) if c else None for c, s in zip(*row, strict=True)]
        for row in zip(count[::-1].tolist(), sums[::-1].tolist(), strict=True)
    ]


def pictures(rows: Rows, sides: Sequence[str]) -> list[Pictures]:
    """Of the first seed: the data and what the network says over training; then single units at the end."""
    there = [(side, row) for side in sides for row in some(rows, side=side)[:1]]
    return [draw(side, row) for draw in (_over_training, _units) for side, row in there]


def _over_training(side: str, row: Row) -> Pictures:
    config, plane = row.config, row.record["plane"]
    own, noise = int(config["train"]), config["noise"]
    data = stripes(own + int(config["test"]), k=int(config["k"]), noise=noise, seed=row.seed)[:own]
    tiles = [Tile(raster(data.X, data.y, int(config["points"])), "the data")]
    tiles += [
        Tile(read(rows, 0, 1), f"step {step:,}")
        for step, rows in zip(plane["step"], plane["says"], strict=True)
    ]
    title, across = f"{side.capitalize()}: the data, and what the network says", len(config["pictures"]) + 2
    return Pictures(title, tiles, 0, 1, signed=True, across=across, x="input 1", y="input 2", colours="label")


def _units(side: str, row: Row) -> Pictures:
    layers = row.record["units"]
    tiles = [
        Tile(read(unit, 0, 1), f"layer {layer}") for layer, shown in enumerate(layers, 1) for unit in shown
    ]
    title = f"{side.capitalize()}: single units of both layers at the end"
    return Pictures(title, tiles, 0, 1, across=len(layers[0]), colours="of its largest")
