"""Images as bits, and the yes-or-no questions about them."""

from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rote.data import load
from rote.studies._study import Config, Place

LABELS = ("real", "permuted")


class Task(NamedTuple):
    """Training and test part of one question.

    Attributes:
        x: Training inputs, shape ``[m, n]``.
        y: Their answers, bool, shape ``[m]``.
        x_test: Test inputs, shape ``[t, n]``.
        y_test: Their answers, never permuted, shape ``[t]``.
    """

    x: NDArray[Any]
    y: NDArray[np.bool_]
    x_test: NDArray[Any]
    y_test: NDArray[np.bool_]


def low_or_high(config: Config, seed: int, place: Place) -> Task:
    """Is the class in the upper half: 5 to 9, not 0 to 4?

    Args:
        config: ``data``; ``labels``, real or permuted; ``train``, how many training examples the seed draws
            (``None``: all of them), of which the ``part``, a share, is used.
        seed: Of the examples that are drawn and of the permutation.
        place: Where the data lie.

    Example:
        >>> found = low_or_high({"data": "digits", "labels": "real", "train": 200, "part": 0.5}, 0, Place())
        >>> found.x.shape, found.x.dtype, found.y.shape, found.x_test.shape
        ((100, 64), dtype('bool'), (100,), (359, 64))
    """
    x, y, x_test, y_test, classes = bits_of(str(config["data"]), place.data_dir)
    whole = config["train"] or len(y)
    m = round(whole * config["part"])
    if m < len(y):
        drawn = np.random.default_rng([0, seed]).permutation(len(y))[:m]
        x, y = x[drawn], y[drawn]
    return Task(x, labelled(2 * y >= classes, config, seed), x_test, 2 * y_test >= classes)


def pairs(config: Config, seed: int, place: Place) -> list[tuple[tuple[int, int], Task]]:
    """One question for each pair of classes: which of the two is it?

    Args:
        config: ``data``; ``labels``, real or permuted.
        seed: Of the permutations.
        place: Where the data lie.

    Example:
        >>> found = pairs({"data": "digits", "labels": "real"}, 0, Place())
        >>> len(found), found[0][0], found[-1][0], found[0][1].y.dtype
        (45, (0, 1), (8, 9), dtype('bool'))
    """
    x, y, x_test, y_test, classes = bits_of(str(config["data"]), place.data_dir)
    found = []
    for a, b in combinations(range(classes), 2):
        here, there = np.flatnonzero((y == a) | (y == b)), np.flatnonzero((y_test == a) | (y_test == b))
        answers = labelled(y[here] == b, config, seed, a, b)
        found.append(((a, b), Task(x[here], answers, x_test[there], y_test[there] == b)))
    return found


def labelled(y: NDArray[np.bool_], config: Config, *seeds: int) -> NDArray[np.bool_]:
    """The labels as they are, or permuted among the examples; other seeds, another permutation.

    Example:
        >>> y = np.arange(100) < 30
        >>> permuted = labelled(y, {"labels": "permuted"}, 0)
        >>> int(permuted.sum()), bool((permuted == y).all()), labelled(y, {"labels": "real"}, 0) is y
        (30, False, True)
    """
    return np.random.default_rng([1, *seeds]).permutation(y) if config["labels"] == "permuted" else y


@lru_cache(maxsize=1)
def bits_of(
    data: str, data_dir: Path | None
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], int]:
    """Training bits and classes, test bits and classes, and the number of classes.

    One bit a pixel: whether it exceeds half of the largest value. Images in colour: every second row and
    column, and two bits for each colour, cut at one and two thirds.

    Example:
        >>> x, y, x_test, y_test, classes = bits_of("digits", None)
        >>> x.shape, x_test.shape, classes
        ((1438, 64), (359, 64), 10)
    """
    splits = load(data, data_dir=data_dir)
    top = float(splits.train.X.max())
    found: list[NDArray[np.bool_]] = []
    for part in (splits.train, splits.test):
        images = part.X
        if images.shape[1] == 3:
            small = images[:, :, ::2, ::2].reshape(len(part), -1)
            found.append(np.hstack([small > top / 3, small > 2 * top / 3]))
        else:
            found.append(images.reshape(len(part), -1) > top / 2)
    train, test = (np.asarray(part.y, np.int64) for part in (splits.train, splits.test))
    return found[0], train, found[1], test, len(splits.train.classes)
