"""Filters of the first layer, and what units of later ones look for, as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.dynamics import maximise
from rote.learners import logits
from rote.studies._panels import Pictures, Tile
from rote.studies._pixels import read, written
from rote.studies._study import Record, Rows, one, some

Images = NDArray[np.floating[Any]]
SECOND, OUTPUT = "2", "5"
"""Modules of the network that have units to seek images for: before their ReLU, if there is one."""
_ROWS = {"before": "before", "after": "after", "added": "added", "averages": "average"}


def of_largest(images: Images) -> list[list[str]]:
    """Each image as text, from minus to plus its own largest value.

    Example:
        >>> of_largest(np.array([[[-0.5, 0.0, 0.25]], [[0.0, 0.0, 0.0]]]))
        [['0hq'], ['hhh']]
    """
    return [written(image / (np.abs(image).max() or 1.0), -1, 1) for image in images]


def chosen(filters: Mapping[str, Images], units: NDArray[np.int64]) -> dict[str, list[list[str]]]:
    """Some filters of each kind as pictures, in this order.

    Args:
        filters: By kind, shape ``[units, h, w]``.
        units: Which.

    Example:
        >>> ramps = np.tile([-1.0, 0.0, 1.0], (3, 1)) * np.array([1, -2])[:, None, None]
        >>> chosen({"after": ramps}, np.array([1]))
        {'after': [['yh0', 'yh0', 'yh0']]}
    """
    return {kind: of_largest(each[units]) for kind, each in filters.items()}


def sought(
    model: nn.Module,
    shape: Sequence[int],
    *,
    shown: int,
    l2: Sequence[float],
    jitter: int,
    steps: int,
    seed: int,
) -> Record:
    """Images that excite the first units of the second layer, and each output.

    Args:
        model: The network of the figure; its inputs have one channel.
        shape: Of an input.
        shown: So many units of the second layer.
        l2: The penalty on an image there, and that for the outputs.
        jitter: Pixels by which images are shifted.
        steps: Of the ascent.
        seed: Of the noise it begins with, and the shifts.

    Returns:
        ``second`` and ``output``, the images as text; ``classes``, what the network takes the latter for.
    """
    layers = dict(model.named_modules())
    second, output = layers[SECOND], layers[OUTPUT]
    assert isinstance(second, nn.Conv2d)
    assert isinstance(output, nn.Linear)
    counts = {SECOND: min(shown, second.out_channels), OUTPUT: output.out_features}
    found = [
        maximise(model, name, range(count), shape, steps=steps, l2=penalty, jitter=jitter, seed=seed).images
        for (name, count), penalty in zip(counts.items(), l2, strict=True)
    ]
    made = torch.from_numpy(found[1]).to(next(model.parameters()).device)
    return {
        "second": of_largest(found[0].mean(1)),
        "output": of_largest(found[1].mean(1)),
        "classes": logits(model, made).argmax(1).tolist(),
    }


def taken(rows: Rows) -> float:
    """Share of the images made for an output that the network gives to its class."""
    classes = one(rows, data="mnist")["sought"]["classes"]
    return float(np.mean(np.array(classes) == np.arange(len(classes))))


def filters(rows: Rows, names: Mapping[str, str]) -> list[Pictures]:
    """The first layer of the first seed, before and after training, and averages of pairs."""
    found = []
    for data, name in names.items():
        for row in some(rows, data=data)[:1]:
            kinds = row.record["filters"]
            tiles = [
                Tile(read(image, -1, 1), f"{title} {i}")
                for kind, title in _ROWS.items()
                for i, image in enumerate(kinds[kind], 1)
            ]
            found.append(_signed(f"{name}: the most selective filters", tiles, len(kinds["after"])))
    return found


def layers(rows: Rows) -> list[Pictures]:
    """What units of each layer look for, of the first seed."""
    found = []
    for row in some(rows, data="mnist")[:1]:
        sought = row.record["sought"]
        parts = {
            "Layer 1: its filters": (row.record["filters"]["after"], "filter {}", 1, 8),
            "Layer 2: images that excite one unit": (sought["second"], "unit {}", 1, 6),
            "Output: images that excite one class": (sought["output"], "class {}", 0, 5),
        }
        for title, (images, name, first, across) in parts.items():
            tiles = [Tile(read(image, -1, 1), name.format(i)) for i, image in enumerate(images, first)]
            found.append(_signed(title, tiles, across))
    return found


def _signed(title: str, tiles: Sequence[Tile], across: int) -> Pictures:
    return Pictures(title, tiles, -1, 1, signed=True, across=across, colours="of its largest")
