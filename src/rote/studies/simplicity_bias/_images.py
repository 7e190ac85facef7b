"""What dominoes look like, and which of their halves is simple: the one that a linear classifier can read."""

from collections.abc import Sequence

import torch

from rote.dynamics import linear_probes
from rote.studies._panels import Pictures, Tile
from rote.studies._pixels import read, written
from rote.studies._study import Config, Place, Record, Rows, Scale, one
from rote.studies.simplicity_bias import _dominoes

KEPT = ("upper_data", "lower_data", "train", "test", "pairs", "name")
Picture = Sequence[str]


def configs(scale: Scale) -> list[Config]:
    """The dominoes that networks are trained on."""
    whole = [config for config in _dominoes.configs(scale) if config["upper"]]
    return [{**{name: config[name] for name in KEPT}, "shown": 2} for config in whole]


def cost(config: Config) -> float:
    """Seconds of one core: most of it to read CIFAR-10."""
    return 15.0


def cell(config: Config, seed: int, place: Place) -> Record:
    """Some dominoes of each label, in grey; and how well a linear classifier reads either half."""
    data = _dominoes.pairs_of(config, "test", seed, place)
    rows, half = len(data) // 2, data.X.shape[2] // 2
    first = range(int(config["shown"]))
    halves = {"upper": data.X[:, :, :half], "lower": data.X[:, :, half:]}
    layers = {name: torch.from_numpy(X.reshape(len(data), -1)) for name, X in halves.items()}
    probes = linear_probes(layers, data.y, seed=seed)
    return {
        "images": [[written(data.X[label * rows + i].mean(0), 0, 1) for i in first] for label in (0, 1)],
        **dict(zip(layers, probes.test.tolist(), strict=True)),
    }


def easier(rows: Rows) -> float:
    """Accuracy of a linear classifier of the upper half less that of one of the lower half."""
    record = one(rows, name="a")
    return float(record["upper"] - record["lower"])


def exchanged(upper: Picture, lower: Picture) -> Picture:
    """The upper half of one domino on the lower half of another.

    Example:
        >>> exchanged(["00", "00"], ["yy", "yy"])
        ['00', 'yy']
    """
    half = len(upper) // 2
    return [*upper[:half], *lower[half:]]


def panels(rows: Rows) -> list[Pictures]:
    """Dominoes of the first seed: as they are, with another upper half, and with none."""
    found = []
    for name in sorted({row.config["name"] for row in rows}):
        zero, one_ = next(row.record["images"] for row in rows if row.config["name"] == name)
        shown = [("label 0", image) for image in zero] + [("label 1", image) for image in one_]
        black = ["0" * len(line) for line in zero[0]]
        shown += [("no MNIST", exchanged(one_[0], zero[0])), ("no MNIST", exchanged(zero[0], one_[0]))]
        shown += [("alone", exchanged(black, zero[0])), ("alone", exchanged(black, one_[0]))]
        tiles = [Tile(read(image, 0, 1), title) for title, image in shown]
        title = f"Dominoes {name.upper()}"
        found.append(Pictures(title, tiles, 1, 0, across=len(tiles), colours="brightness"))
    return found
