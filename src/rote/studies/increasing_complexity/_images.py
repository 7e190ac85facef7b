"""A convolutional network on images of two kinds, beside simpler models: linear, and smaller networks."""

from typing import Any

import torch
from torch import Tensor

from rote.dynamics import Recorder
from rote.learners import Recipe, start, train_epoch
from rote.studies._noisy import Noisy
from rote.studies._redrawn import built, evenly, redrawn
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.increasing_complexity._train import (
    Ints,
    beside,
    convolutional,
    linear,
    predictions,
    watched,
)

KINDS = {
    "mnist": [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]],
    "cifar10": [[0, 1, 8, 9], [2, 3, 5, 7]],
}
"""Which classes are which kind: low and high digits; four vehicles and four of the six animals."""
PENALTY = {"mnist": 1e-3, "cifar10": 0.1}
"""Of the linear model, by the accuracy on a fifth of the training examples that was held out, once."""
SEEN = 2000
"""So many training examples are looked at on the way."""


def configs(data: str, scale: Scale) -> list[Config]:
    """One network of one data set, with its simpler models.

    Example:
        >>> [config["kinds"] for config in configs("cifar10", "quick")]
        [[[0, 1, 8, 9], [2, 3, 5, 7]]]
    """
    base = {"data": data, "kinds": KINDS[data], "network": "cnn", "noise": 0.0, "batch": 64, "lr": 0.02}
    base |= {"momentum": 0.0, "penalty": PENALTY[data], "layers": [1, 2], "channels": 8}
    base |= {"simple_lr": 0.02, "simple_momentum": 0.9, "train": 20_000}
    if scale == "paper":
        sizes = {"train": None, "test": None, "size": [32, 32, 32, 32], "epochs": 100, "lr": 0.01}
        sizes |= {"simple_epochs": 30, "settling": 10}
    elif data == "mnist":
        sizes = {"test": 5000, "size": [16, 32, 32], "epochs": 36, "simple_epochs": 6, "settling": 2}
    else:
        sizes = {"test": 6250, "size": [16, 32, 64], "epochs": 64, "simple_epochs": 10, "settling": 3}
    return [{**base, **sizes}]


def cost(config: Config) -> float:
    """Seconds of one core."""
    each = 1.4e-4 if config["train"] else 2e-3
    return each * float((config["train"] or 50_000) * config["epochs"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train the network; then its simpler models, and hold every look against each of them."""
    data = of_two_kinds(config, seed, place)
    model = built(config, data.x.shape[1:], 2, seed).to(place.device)
    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum")})
    some = torch.from_numpy(evenly(len(data.y), SEEN)).to(place.device)
    seen: list[Ints] = []
    train: list[float] = []

    def look(step: int) -> None:
        seen.append(predictions(model, data.x_test))
        train.append(_accuracy(predictions(model, data.x[some]), data.y[some]))

    steps = watched(model, data.x, data.y, recipe, seed=seed, look=look)
    final = predictions(model, data.x)
    simpler = {"linear": linear(data.x, data.y, penalty=float(config["penalty"]))(data.x_test)}
    taught = torch.from_numpy(final).to(place.device)
    for layers in config["layers"]:
        simpler[f"cnn-{layers}"] = _small(config, layers, data, taught, seed)
    return {
        "step": steps,
        "train": train,
        "test": [_accuracy(each, data.y_test) for each in seen],
        "train_end": _accuracy(final, data.y),
        **held_against(steps, seen, data.y_test.cpu().numpy(), simpler),
    }


def of_two_kinds(config: Config, seed: int, place: Place) -> Noisy:
    """The examples of the classes that make up two kinds, labelled by kind; the others are left out.

    Example:
        >>> config = {"data": "digits", "kinds": [[0, 1], [5]], "train": 100, "test": 60, "noise": 0.0}
        >>> found = of_two_kinds(config, 0, Place())
        >>> len(found.x), found.y.unique().tolist(), found.classes
        (30, [0, 1], 2)
    """
    whole = redrawn(config, seed, place)
    kind = torch.full((whole.classes,), -1, device=whole.y.device)
    for number, classes in enumerate(config["kinds"]):
        kind[list(classes)] = number
    y, y_test = kind[whole.y], kind[whole.y_test]
    own, test = y >= 0, y_test >= 0
    return Noisy(
        whole.x[own], y[own], whole.corrupt[own], whole.x_test[test], y_test[test], len(config["kinds"])
    )


def held_against(steps: list[int], seen: list[Ints], labels: Ints, simpler: dict[str, Ints]) -> Record:
    """The network's information at every look, and what each simpler model explains of it.

    Example:
        >>> import numpy as np
        >>> labels = np.array([0, 0, 1, 1])
        >>> found = held_against([0], [labels], labels, {"linear": np.array([0, 1, 1, 1])})
        >>> len(found["model"]), found["simpler"]["linear"]["accuracy"]
        (1, 0.75)
    """
    found: dict[str, Any] = {"simpler": {}}
    for name, predicted in simpler.items():
        recorder = Recorder(simple=predicted, labels=labels)
        for step, each in zip(steps, seen, strict=True):
            recorder.add(step, each)
        own = beside(recorder, seen)
        found["model"] = own.pop("model")  # the same beside each of them
        found["simpler"][name] = own
    return found


def _small(config: Config, layers: int, data: Noisy, taught: Tensor, seed: int) -> Ints:
    """Test predictions of a smaller network that was trained on the labels taught, and settled."""
    own = seed + 1000 * layers  # or its first filters would start as those of the larger one
    shape = tuple(data.x.shape[1:])
    model = convolutional(shape, 2, layers=layers, channels=int(config["channels"]), seed=own).to(
        data.x.device
    )
    recipe = Recipe(
        epochs=int(config["simple_epochs"]),
        batch=int(config["batch"]),
        lr=float(config["simple_lr"]),
        momentum=float(config["simple_momentum"]),
    )
    progress = start(model, recipe)
    for epoch in range(recipe.epochs):
        if epoch == recipe.epochs - int(config["settling"]):
            for group in progress.optimizer.param_groups:
                group["lr"] /= 10
        train_epoch(model, data.x, taught, recipe, progress, seed=own)
    return predictions(model, data.x_test)


def _accuracy(predicted: Ints, labels: Tensor) -> float:
    return float((predicted == labels.cpu().numpy()).mean())
