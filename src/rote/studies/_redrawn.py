"""What studies after Zielinski et al. 2020 share: labels drawn anew, standardised images, their networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.data import Dataset, plant
from rote.learners import alexnet, cnn, logits, mlp, resnet18
from rote.studies._noisy import Noisy, _loaded
from rote.studies._study import Config, Place

Curves = dict[str, list[float | None]]


def redrawn(config: Config, seed: int, place: Place) -> Noisy:
    """The data of a cell.

    Each example is selected with probability ``noise``, and the labels of the selected are drawn anew from
    all classes, as in the released code of Zielinski et al. 2020; so one in ten of them keeps its own.

    Args:
        config: ``data``, ``train`` and ``test`` (how many of each part; ``None`` for all), ``noise``; if
            there is ``halved``, how often to halve the images' sides, by means.
        seed: Of the noise.
        place: Where the data lie, and the device.

    Example:
        >>> found = redrawn({"data": "digits", "train": 100, "test": 50, "noise": 1.0}, 0, Place())
        >>> found.x.shape, len(found.y_test), found.proper < 0.3, abs(found.x.mean().item()) < 1e-6
        (torch.Size([100, 1, 8, 8]), 50, True, True)
    """
    splits = _loaded(config["data"], config["train"], place.data_dir)
    train = plant(splits.train, "uniform", config["noise"], seed=seed) if config["noise"] else splits.train
    test = splits.test[evenly(len(splits.test), config["test"])]
    x, x_test = standardised(train, test)
    if halves := config.get("halved", 0):
        x, x_test = nn.functional.avg_pool2d(x, 2**halves), nn.functional.avg_pool2d(x_test, 2**halves)
    return Noisy(
        x.to(place.device),
        torch.from_numpy(train.y).to(place.device),
        torch.from_numpy(train.corrupt).to(place.device),
        x_test.to(place.device),
        torch.from_numpy(test.y).to(place.device),
        len(train.classes),
    )


def evenly(rows: int, most: int | None) -> NDArray[np.int64]:
    """Numbers of ``most`` of so many rows, evenly spaced, for rows that may come class by class.

    Example:
        >>> evenly(6, 3).tolist(), evenly(3, None).tolist()
        ([0, 2, 4], [0, 1, 2])
    """
    return np.arange(rows) if most is None or most >= rows else np.arange(most) * rows // most


def standardised(*parts: Dataset) -> tuple[Tensor, ...]:
    """Inputs of each part, less the mean of the first part's channels, over their standard deviation.

    Example:
        >>> from rote.data import load
        >>> train, test = standardised(load("digits").train, load("digits").test)
        >>> abs(train.mean().item()) < 1e-6, abs(train.std().item() - 1) < 1e-3
        (True, True)
    """
    first = parts[0].inputs()
    axes = tuple(axis for axis in range(first.ndim) if axis != 1)
    mean = first.mean(axes, keepdims=True, dtype=np.float64)
    spread = np.maximum(first.std(axes, keepdims=True, dtype=np.float64), 1e-6)
    return tuple(torch.from_numpy(((part.inputs() - mean) / spread).astype(np.float32)) for part in parts)


def built(config: Config, shape: Sequence[int], classes: int, seed: int) -> nn.Sequential:
    """The network that a configuration names, with weights of this seed.

    Args:
        config: ``network`` (``mlp``, ``cnn``, ``resnet`` or ``alexnet``) and its ``size``: the hidden widths,
            the channels, or one width.
        shape: Shape of one example.
        classes: Number of outputs.
        seed: Of the weights; torch's global random state is left as it was.

    Example:
        >>> net = built({"network": "mlp", "size": [4]}, (1, 8, 8), 10, seed=0)
        >>> [tuple(p.shape) for p in net.parameters()]
        [(4, 64), (4,), (10, 4), (10,)]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        size = config["size"]
        if config["network"] == "mlp":
            return mlp(shape, classes, hidden=size)
        if config["network"] == "cnn":
            return cnn(shape, classes, channels=size)
        return (resnet18 if config["network"] == "resnet" else alexnet)(shape, classes, width=size)


def accuracies(model: nn.Module, data: Noisy) -> dict[str, float | None]:
    """Loss and accuracy on what was trained on, its pristine and its corrupt part, and the test examples.

    Accuracy on the corrupt part is that on their wrong labels: what was memorised.

    Example:
        >>> data = redrawn({"data": "digits", "train": 100, "test": 50, "noise": 0.0}, 0, Place())
        >>> found = accuracies(built({"network": "mlp", "size": []}, (1, 8, 8), 10, seed=0), data)
        >>> sorted(found), found["pristine"] == found["train"], found["corrupt"]
        (['corrupt', 'loss', 'pristine', 'test', 'train'], True, None)
    """
    outputs = logits(model, data.x)
    hits = outputs.argmax(1) == data.y
    return {
        "loss": float(nn.functional.cross_entropy(outputs, data.y)),
        "train": _share(hits),
        "pristine": _share(hits[~data.corrupt]),
        "corrupt": _share(hits[data.corrupt]),
        "test": _share(logits(model, data.x_test).argmax(1) == data.y_test),
    }


def append(curves: Curves, values: Mapping[str, Any]) -> None:
    """Add one value to each curve.

    Example:
        >>> curves: Curves = {}
        >>> append(curves, {"a": 1.0})
        >>> append(curves, {"a": None})
        >>> curves
        {'a': [1.0, None]}
    """
    for name, value in values.items():
        curves.setdefault(name, []).append(value)


def _share(hits: Tensor) -> float | None:
    return float(hits.double().mean()) if len(hits) else None
