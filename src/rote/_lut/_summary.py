"""Records of layers, lut by lut, as the page shows them: spreads and histograms over groups of layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.luts import LayerRecord, Network

MOST_POINTS, MOST_RIDGES, BINS = 40, 8, 48
Numbers = NDArray[np.float64] | NDArray[np.int64]
Records = Sequence[Sequence[LayerRecord]]


def layers_summary(networks: Sequence[Network], train: Records, test: Records) -> dict[str, Any]:
    """What the layers of some networks do, taken together.

    Args:
        networks: All of the same shape.
        train: Their records on training examples.
        test: And on test examples.

    Returns:
        ``layers``: spreads over the luts of each layer, or of neighbouring layers where there are many;
        ``ridges``: how many luts have which accuracy, in at most ``MOST_RIDGES`` groups of layers, in equal
        steps over ``reach``.

    Example:
        >>> from rote.luts import LUTNetworkClassifier, layer_records
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
        >>> xor = LUTNetworkClassifier(k=2, depth=0).fit(X, y)
        >>> found = layers_summary(xor.networks_, xor.records_, layer_records(xor, X, y))
        >>> found["layers"][0]["accuracy"]["mean"], found["ridges"][0]["train"][-1]
        (1.0, 1)
    """
    depth, table = len(networks[0].layers), networks[0].output == "table"
    layers = []
    for first, last in groups(depth, MOST_POINTS, alone=table):
        sizes = [1 << networks[0].layers[d].k for d in range(first, last)]
        once = [
            _of(train, d, d + 1, "once") / size for d, size in zip(range(first, last), sizes, strict=True)
        ]
        layers.append(
            {
                "first": first + 1,
                "last": last,
                "luts": sum(net.layers[d].width for net in networks for d in range(first, last)),
                "k": networks[0].layers[first].k,
                "accuracy": spread(_of(train, first, last, "accuracy")),
                "test_accuracy": spread(_of(test, first, last, "accuracy")),
                "unseen": spread(_of(train, first, last, "unseen")),
                "once": spread(np.concatenate(once)),
            }
        )
    everything = np.concatenate([_of(records, 0, depth, "accuracy") for records in (train, test)])
    # Whole percents around all of them, so that luts that differ little still spread over the drawing.
    low, high = float(np.floor(everything.min() * 100) / 100), float(np.ceil(everything.max() * 100) / 100)
    low, high = (low, high) if low < high else (low - 0.01, high)
    ridges = [
        {
            "first": first + 1,
            "last": last,
            "train": histogram(_of(train, first, last, "accuracy"), low, high),
            "test": histogram(_of(test, first, last, "accuracy"), low, high),
        }
        for first, last in groups(depth, MOST_RIDGES, alone=table)
    ]
    return {"layers": layers, "ridges": ridges, "reach": [low, high]}


def groups(depth: int, most: int, *, alone: bool) -> list[tuple[int, int]]:
    """Neighbouring layers in at most so many groups ``(first, after the last)``; the last may stand alone.

    Example:
        >>> groups(5, 3, alone=True), groups(3, 8, alone=False)
        ([(0, 2), (2, 4), (4, 5)], [(0, 1), (1, 2), (2, 3)])
    """
    many, most = (depth - 1, most - 1) if alone and depth > 1 else (depth, most)
    parts = np.array_split(np.arange(many), min(many, most))
    found = [(int(part[0]), int(part[-1]) + 1) for part in parts]
    return [*found, (depth - 1, depth)] if many < depth else found


def spread(values: Numbers) -> dict[str, float]:
    """Mean, lowest, quartiles and highest.

    Example:
        >>> spread(np.array([1, 3]))["mean"]
        2.0
    """
    low, lower, median, upper, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    found = {
        "mean": np.mean(values),
        "low": low,
        "lower": lower,
        "median": median,
        "upper": upper,
        "high": high,
    }
    return {name: float(value) for name, value in found.items()}


def histogram(accuracy: Numbers, low: float, high: float) -> list[int]:
    """How many luts have which accuracy, in ``BINS`` equal steps.

    Example:
        >>> found = histogram(np.array([0.5, 0.505, 1.0]), 0.5, 1.0)
        >>> len(found), found[0], found[-1]
        (48, 2, 1)
    """
    return [int(n) for n in np.histogram(accuracy, BINS, (low, high))[0]]


def _of(records: Records, first: int, last: int, name: str) -> Numbers:
    found: Numbers = np.concatenate([getattr(layer, name) for net in records for layer in net[first:last]])
    return found
