"""The cell: one table after another, each with one input more."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rote._native import pack_bits
from rote.data import load
from rote.luts import LookupTable, PCABits
from rote.studies._study import Config, Place, Record
from rote.studies.learning_and_memorization._bits import bits_of, labelled


def cell(config: Config, seed: int, place: Place) -> Record:
    """A table of the first k inputs for k from 2 on: accuracy, and the share of its entries never seen.

    Args:
        config: ``data``; ``labels``, real or permuted; ``inputs``, ``pca`` for the signs of principal
            components, ``pixels`` for the bits of pixels that the seed draws; ``most``, the largest k.
        seed: Of permutations, pixels, and the frozen bits of tied and unseen entries.
        place: Where the data lie.
    """
    data, most = str(config["data"]), int(config["most"])
    x, classes_of, x_test, test_classes_of, classes = bits_of(data, place.data_dir)
    y, y_test = labelled(2 * classes_of >= classes, config, seed), 2 * test_classes_of >= classes
    if config["inputs"] == "pca":
        x, x_test = components(data, place.data_dir, most)
    else:
        drawn = np.random.default_rng([2, seed]).permutation(x.shape[1])[:most]
        x, x_test = x[:, drawn], x_test[:, drawn]
    found: dict[str, list[float]] = {"k": [], "train": [], "test": [], "unseen": []}
    for k in range(2, most + 1):
        table = LookupTable(seed=seed).fit(x[:, :k], y)
        found["k"].append(k)
        found["train"].append(accuracy(table, x[:, :k], y))
        found["test"].append(accuracy(table, x_test[:, :k], y_test))
        found["unseen"].append(1 - len(table.counts_) / 2**k)
    return found


@lru_cache(maxsize=1)
def components(data: str, data_dir: Path | None, most: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Signs of the first principal components of the training images, of them and of the test images.

    Example:
        >>> x, x_test = components("digits", None, 4)
        >>> x.shape, x_test.shape, x.dtype
        ((1438, 4), (359, 4), dtype('bool'))
    """
    splits = load(data, data_dir=data_dir)
    train, test = (part.X.reshape(len(part), -1).astype(np.float32) for part in (splits.train, splits.test))
    bits = PCABits(most).fit(train)
    return bits.transform(train), bits.transform(test)


def accuracy(table: LookupTable, x: NDArray[np.bool_], y: NDArray[np.bool_]) -> float:
    """The share of examples that a table answers rightly; each pattern is asked for once.

    Example:
        >>> x = np.array([[False, True], [True, True], [True, True]])
        >>> table = LookupTable().fit(x, [0, 1, 1])
        >>> accuracy(table, x, np.array([False, True, False])) == 2 / 3
        True
    """
    patterns = pack_bits(np.ascontiguousarray(x))[:, 0]  # k is at most 64
    _, first, which = np.unique(patterns, return_index=True, return_inverse=True)
    return float((table.predict(x[first])[which] == y).mean())
