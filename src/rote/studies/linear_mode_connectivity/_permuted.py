"""Two networks from different starts: the line between them, before and after their units are matched."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from rote.dynamics import line, match_weights, permuted, symmetries
from rote.studies._redrawn import redrawn
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.linear_mode_connectivity._networks import network
from rote.studies.linear_mode_connectivity._train import Evaluate, judged, shortened, steps

State = Mapping[str, Tensor]


def configs(scale: Scale) -> list[Config]:
    """Networks with three hidden layers, each of one width."""
    base = {
        "data": "mnist",
        "noise": 0.0,
        "halved": 0,
        "network": "mlp",
        "batch": 60,
        "augment": False,
        "optimizer": "adam",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "drops": [],
    }
    if scale == "quick":
        sizes: Config = {"train": 10_000, "test": 2000, "total": 1500, "points": 11}
        widths = [32, 128, 512]
    else:
        sizes = {"train": None, "test": None, "total": 50_000, "points": 25}
        widths = [32, 64, 128, 256, 512, 1024]
    found: list[Config] = [{**base, **sizes, "width": width, "hidden": [width] * 3} for width in widths]
    return [*found[:-1], {**found[-1], "plane": sizes["points"]}]


def cost(config: Config) -> float:
    """Seconds of one core: with the number of weights."""
    weights = 784 * config["width"] + 2 * config["width"] ** 2
    looks = 4e-8 * weights * config.get("plane", 0) ** 2
    return float(2 * config["total"] * (0.5e-3 + 8e-9 * weights) + looks)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train two networks; go along the line between them as they are, and with their units matched."""
    data = redrawn(config, seed, place)
    evaluate, ends = judged(data), []
    train = steps(data.x, data.y, config, seed)
    for number in (1, 2):
        model = network(config, data.x.shape[1:], data.classes, 100 * seed + number).to(place.device)
        train(model, None, 0, int(config["total"]), number)
        ends.append({name: value.detach().clone() for name, value in model.state_dict().items()})
    a, b = ends
    matched = match_weights(model, a, b, seed=seed)
    paths = {
        name: line(model, a, end, evaluate, points=int(config["points"])).to_dict()
        for name, end in (("naive", b), ("matched", matched.state))
    }
    record: dict[str, Any] = {name: shortened(path) for name, path in paths.items()}
    if "plane" in config:
        record["plane"] = plane(model, (a, b, matched.state), evaluate, int(config["plane"]))
    return {**record, "recovered": recovered(model, a, seed), "sweeps": matched.sweeps}


def plane(model: nn.Module, corners: Sequence[State], evaluate: Evaluate, points: int) -> list[list[float]]:
    """Error on the plane through three states: rows from the first to the third, each to the second's side.

    Args:
        model: The architecture; left as it is.
        corners: The states at the first row's start, at its end, and at the last row's start.
        evaluate: From a model to error and loss.
        points: So many in each direction, evenly spaced, corners included.

    Example:
        >>> import torch
        >>> states = [{"weight": torch.tensor([[value]])} for value in (0.0, 1.0, 3.0)]
        >>> plane(nn.Linear(1, 1, bias=False), states, lambda net: (net.weight.item(), 0.0), 3)
        [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5], [3.0, 3.5, 4.0]]
    """
    moving, (a, b, c) = copy.deepcopy(model), corners

    def error(across: float, down: float) -> float:
        mixed = {name: a[name] + across * (b[name] - a[name]) + down * (c[name] - a[name]) for name in a}
        moving.load_state_dict(mixed)
        return round(evaluate(moving)[0], 3)

    shares = np.linspace(0, 1, points).tolist()
    return [[error(across, down) for across in shares] for down in shares]


def recovered(model: nn.Module, state: State, seed: int) -> float:
    """Share of hidden units that matching puts back in place where they were only shuffled.

    Args:
        model: The architecture.
        state: Shuffled, and matched to itself.
        seed: Of the shuffle.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> recovered(net, net.state_dict(), seed=0)
        1.0
    """
    groups, rng = symmetries(model), np.random.default_rng(seed)
    orders = [rng.permutation(group.size) for group in groups]
    found = match_weights(model, state, permuted(groups, state, orders), seed=seed)
    back = [order[own] == np.arange(len(order)) for order, own in zip(orders, found.orders, strict=True)]
    return float(np.concatenate(back).mean())
