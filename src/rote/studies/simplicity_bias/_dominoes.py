"""An image of MNIST on top of one of CIFAR-10: which of the two does a network look at?"""

from typing import Any

import numpy as np
import torch

from rote.dynamics import PlantedData, dominoes, randomised
from rote.learners import Recipe, cnn, logits, start, train_epoch
from rote.studies._noisy import _loaded
from rote.studies._redrawn import evenly
from rote.studies._study import Config, Place, Record, Scale

PAIRS = {"a": [[0, 1], [1, 9]], "b": [[1, 1], [4, 9]], "c": [[0, 0], [1, 8]]}
"""Classes above and below, for both labels: zeros on automobiles against ones on trucks, and so on."""
SEEN = 1000
"""So many training examples are looked at after each epoch."""
CURVES = ("accuracy", "randomised_accuracy", "rest_accuracy")


def configs(scale: Scale) -> list[Config]:
    """Each pair of classes; and the same with nothing above: what the lower half alone would teach."""
    small = scale == "quick"
    base = {
        "upper_data": "mnist",
        "lower_data": "cifar10",
        "train": 2500 if small else None,
        "test": 900 if small else None,
        "channels": [16, 32, 32] if small else [32, 64, 128],
        "lr": 0.05,
        "momentum": 0.9,
        "batch": 50,
        "weight_decay": 5e-5,
    }
    epochs = {True: 4, False: 10} if small else {True: 100, False: 100}
    return [
        {**base, "pairs": PAIRS[name], "name": name, "upper": upper, "epochs": epochs[upper]}
        for name in (["a"] if small else PAIRS)
        for upper in (True, False)
    ]


def cost(config: Config) -> float:
    """Seconds of one core: half a millisecond an example and pass."""
    return 5e-4 * 2 * float((config["train"] or 5000) * config["epochs"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train a small convolutional network; after each epoch, what it does without each half."""
    data = [pairs_of(config, part, seed, place) for part in ("train", "test")]
    own, test = (part if config["upper"] else blanked(part) for part in data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cnn(own.X.shape[1:], 2, channels=config["channels"]).to(place.device)
    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum", "weight_decay")})
    progress = start(model, recipe)
    x, y = torch.from_numpy(own.X).to(place.device), torch.from_numpy(own.y).to(place.device)
    seen = torch.from_numpy(evenly(len(y), SEEN)).to(place.device)
    record: dict[str, Any] = {"epoch": [], "train": [], **{name: [] for name in CURVES}}
    for epoch in range(recipe.epochs + 1):
        found = randomised(model, test.X, test.y, test.simple, seed=seed, batch=500)
        record["epoch"].append(epoch)
        record["train"].append(float((logits(model, x[seen]).argmax(1) == y[seen]).double().mean()))
        for name in CURVES:
            record[name].append(getattr(found, name))
        if epoch < recipe.epochs:
            train_epoch(model, x, y, recipe, progress, seed=seed)
    return {**record, "end": found.to_dict(), "note": own.note}


def pairs_of(config: Config, part: str, seed: int, place: Place) -> PlantedData:
    """Dominoes of the training or the test part, of each label as many as the configuration says at most.

    Example:
        >>> config = {"upper_data": "digits", "lower_data": "digits", "train": 50, "test": 10}
        >>> found = pairs_of(config | {"pairs": [[0, 5], [1, 8]]}, "train", 0, Place())
        >>> found.X.shape, found.y.mean()
        ((100, 1, 16, 8), np.float64(0.5))
    """
    first, second = config["pairs"]
    rng = np.random.default_rng(seed)
    halves = []
    for name, classes in zip(
        (config["upper_data"], config["lower_data"]), zip(first, second, strict=True), strict=True
    ):
        splits = _loaded(name, None, place.data_dir)
        dataset = splits.train if part == "train" else splits.test
        rows = [rng.permutation(np.flatnonzero(dataset.y == c))[: config[part]] for c in classes]
        chosen = np.concatenate(rows)
        halves.append((dataset.inputs(chosen), dataset.y[chosen]))
    return dominoes(halves[0], halves[1], [tuple(first), tuple(second)], seed=seed)


def blanked(data: PlantedData) -> PlantedData:
    """The same with nothing in the upper half.

    Example:
        >>> data = PlantedData(np.ones((3, 1, 4, 2), np.float32), np.array([0, 1, 1]), np.arange(4))
        >>> blanked(data).X[0, 0].tolist()
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """
    X = data.X.reshape(len(data), -1).copy()
    X[:, data.simple] = 0
    return PlantedData(X.reshape(data.X.shape), data.y, data.simple, note=data.note)
