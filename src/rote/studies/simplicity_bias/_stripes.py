"""Stripes in the plane: learned early by themselves, late where a simpler feature also tells the label."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.dynamics import PlantedData, activations, linear_units, randomised, stripes
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.simplicity_bias import _plane
from rote.studies.simplicity_bias._train import classifier, train

SIDES = {"left": None, "right": 0.1, "weaker": 0.3}
"""Each data set's noise along the stripes: nothing there, a strong simple feature, a weaker one."""
CURVES = ("accuracy", "randomised_accuracy", "rest_accuracy")
BINS = 18


def configs(scale: Scale) -> list[Config]:
    """The three data sets."""
    small = scale == "quick"
    return [
        {
            "side": side,
            "noise": noise,
            "k": 5,
            "train": 20_000 if small else 50_000,
            "test": 5000 if small else 20_000,
            "hidden": [100, 100],
            "lr": 0.1,
            "batch": 256,
            "momentum": 0.0,
            "weight_decay": 0.0,
            "steps": 6000,
            "every": 50,
            "enough": 0.99,
            "pictures": [100, 400, 1600],
            "points": 40,
            "units": 7,
            "unit_points": 24,
        }
        for side, noise in SIDES.items()
    ]


def cost(config: Config) -> float:
    """Seconds of one core: a millisecond a step, and most need a third of those allowed."""
    return float(config["steps"]) / 2000


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train until the test accuracy is enough; see what the network rests on, and where its units look.

    ``plane`` is what it says over the plane at the steps of ``pictures`` that it comes to, and at the end.
    """
    sizes = int(config["train"]), int(config["test"])
    data = stripes(sum(sizes), k=int(config["k"]), noise=config["noise"], seed=seed)
    own, test = data[: sizes[0]], data[sizes[0] :]
    model = classifier(2, config["hidden"], seed).to(place.device)
    record: dict[str, Any] = {"step": [], "learned": None, **{name: [] for name in CURVES}}
    points, plane = int(config["points"]), {}

    def look(step: int) -> bool:
        if step in config["pictures"]:
            plane[step] = _plane.says(model, points)
        found = randomised(model, test.X, test.y, test.simple, rotation=test.rotation, seed=seed)
        record["step"].append(step)
        for name in CURVES:
            record[name].append(getattr(found, name))
        if found.accuracy < config["enough"]:
            return False
        record["learned"] = step
        return True

    record["start"] = by_layer(model, test)
    train(model, own, config, seed, look)
    record["end"] = by_layer(model, test)
    plane[record["step"][-1]] = _plane.says(model, points)
    record["plane"] = {"step": list(plane), "says": list(plane.values())}
    shown = _plane.units(model, test.X, int(config["units"]), int(config["unit_points"]))
    return {**record, "units": shown}


def by_layer(model: nn.Sequential, data: PlantedData, *, points: int = 500) -> Record:
    """Where the units of each layer look, and how linear they are.

    Args:
        model: Of ``nn.Linear`` and ``nn.ReLU``, after an ``nn.Flatten``.
        data: In the plane; coordinate 1 runs across the stripes.
        points: At so many of its examples gradients are taken.

    Returns:
        For each hidden layer, and for gradients the output too: ``across``, the share of the squared
        gradients of pre-activations that runs across the stripes; ``directions``, their share by angle, bins
        of 10 degrees around -90, -80, … from that direction; ``r2``, the mean R² of ReLUs on the inputs.

    Example:
        >>> found = by_layer(classifier(2, [4, 4], seed=0), stripes(200, seed=0))
        >>> [len(found[name]) for name in ("across", "directions", "r2")]
        [3, 3, 2]
    """
    assert data.rotation is not None
    relus = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    x = torch.from_numpy(data.X).to(next(model.parameters()).device)
    fits = linear_units(activations(model, x, relus), data.X)
    across, directions = [], []
    for gradients in layer_gradients(model, data.X[:points]):
        raw = gradients @ data.rotation
        size = (raw**2).sum(1)
        across.append(float((raw[:, 1] ** 2).sum() / size.sum()))
        angle = np.degrees(np.arctan2(raw[:, 0], raw[:, 1]))
        bins = np.round(angle / (180 / BINS)).astype(int) % BINS  # a direction and its opposite are one
        shares = np.bincount((bins + BINS // 2) % BINS, weights=size, minlength=BINS) / size.sum()
        directions.append(shares.tolist())
    return {"across": across, "directions": directions, "r2": [float(np.nanmean(r2)) for r2 in fits.r2]}


def layer_gradients(model: nn.Sequential, X: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """By layer, the gradient of every unit's pre-activation on the input, ``[points · units, d]``.

    Of the first layer they are its weights, at every point the same.

    Example:
        >>> net = classifier(2, [4], seed=0)
        >>> first, output = layer_gradients(net, np.ones((3, 2), np.float32))
        >>> first.shape, output.shape, bool(np.allclose(first[:4], net[1].weight.detach()))
        ((12, 2), (3, 2), True)
    """
    state: NDArray[np.float64] = X.astype(np.float64)
    jacobian = np.broadcast_to(np.eye(X.shape[1]), (len(X), X.shape[1], X.shape[1]))
    found = []
    for module in model:
        if isinstance(module, nn.Linear):
            weight = module.weight.detach().cpu().double().numpy()
            state = state @ weight.T + module.bias.detach().cpu().double().numpy()
            jacobian = np.matmul(weight, jacobian)
            found.append(jacobian.reshape(-1, X.shape[1]))
        elif isinstance(module, nn.ReLU):
            on = state > 0
            state, jacobian = state * on, jacobian * on[:, :, None]
    return found
