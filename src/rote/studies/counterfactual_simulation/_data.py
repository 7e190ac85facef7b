"""Images as bytes, with their labels, permuted ones, or some drawn anew."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rote.data import Dataset, NoiseKind, Splits, load, plant

_KINDS: dict[str, NoiseKind] = {"permuted": "permute", "uniform": "uniform"}


class Images(NamedTuple):
    """Training and test images.

    Attributes:
        x: Training images as bytes or bits, flat, shape ``[m, pixels]``.
        y: The labels that are trained on, ``[m]``.
        x_test: Test images.
        y_test: Their labels, all true.
        classes: How many classes there are.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    x_test: NDArray[Any]
    y_test: NDArray[np.int64]
    classes: int


class Choice(NamedTuple):
    """Which images, under which labels.

    Attributes:
        data: Name of the data set.
        train: How many training images; None for all.
        halved: How often the images' sides are halved, by means.
        labels: ``real``; ``permuted``, all of them among the examples; or ``uniform``: some drawn anew.
        rate: The share of labels that are drawn anew.

    Example:
        >>> Choice.of({"data": "digits", "train": 100, "halved": 0, "labels": "real"}).rate
        0.0
    """

    data: str
    train: int | None
    halved: int
    labels: str
    rate: float

    @staticmethod
    def of(config: Any) -> "Choice":  # noqa: ANN401  # a configuration's values are whatever JSON knows
        """The choice that a configuration names."""
        rate = {"real": 0.0, "permuted": 1.0}.get(config["labels"], config.get("rate", 0.0))
        return Choice(config["data"], config["train"], config["halved"], config["labels"], rate)


def images(choice: Choice, seed: int, data_dir: Path | None) -> Images:
    """The images of a cell.

    Args:
        choice: Which ones.
        seed: Of the labels that are not real.
        data_dir: Where the data lie.

    Example:
        >>> found = images(Choice("digits", 100, 1, "permuted", 1.0), 0, None)
        >>> found.x.shape, found.x.dtype, found.y_test.shape
        ((100, 16), dtype('uint8'), (359,))
    """
    splits = _loaded(choice.data, choice.train, data_dir)
    train = splits.train
    if choice.labels != "real":
        train = plant(train, _KINDS[choice.labels], choice.rate, seed=seed)
    return Images(
        _bytes(train, choice.halved),
        np.asarray(train.y, np.int64),
        _bytes(splits.test, choice.halved),
        np.asarray(splits.test.y, np.int64),
        len(train.classes),
    )


@lru_cache(maxsize=2)
def _loaded(name: str, limit: int | None, data_dir: Path | None) -> Splits:
    return load(name, data_dir=data_dir, limit=limit)


def _bytes(part: Dataset, halved: int) -> NDArray[np.uint8]:
    x = part.X
    for _ in range(halved):
        m, c, h, w = x.shape
        x = x.reshape(m, c, h // 2, 2, w // 2, 2).sum(axis=(3, 5), dtype=np.uint16) // 4
    return np.ascontiguousarray(x.reshape(len(x), -1), np.uint8)
