"""The cell behind convergence and freezing: a network, and when each of its layers was settled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rote.dynamics import SVCCA, Checkpoints, FreezeTraining, activations, checkpoint_steps
from rote.learners import Recipe, logits, start, train_epoch
from rote.studies._noisy import Noisy
from rote.studies._redrawn import evenly, redrawn
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.bottom_up._network import backward_shares, blocks, planned
from rote.studies.bottom_up._settling import panels_at, settled, settling, short

DATA = {"cifar10": "CIFAR-10", "mnist": "MNIST"}
"""Names of the data sets as they are written."""
_SGD: dict[str, Any] = {"noise": 0.0, "batch": 64, "lr": 0.05, "momentum": 0.9}
_PLAN = ["c16", "c16", "p", "c32", "c32", "c32", "p", "f128", "f64"]
_PAPER_PLAN = ["c64", "c64", "p", "c64", "c64", "c64", "p", "f512", "f256"]


def configs(scale: Scale) -> list[Config]:
    """Each data set, all layers trained; those of convergence."""
    base = {**_SGD, "plan": _PLAN, "halved": 1, "test": 5000, "probe": 2000, "early": 8, "even": 20}
    sizes: dict[str, Config] = {
        "cifar10": {"train": 10_000, "epochs": 10},
        "mnist": {"train": 5000, "epochs": 8},
    }
    if scale == "paper":
        base |= {"plan": _PAPER_PLAN, "halved": 0, "test": None, "probe": 5000}
        sizes = {"cifar10": {"train": None, "epochs": 200}, "mnist": {"train": None, "epochs": 40}}
    return [{"data": data, **base, **sizes[data], "frozen": False} for data in DATA]


def both(scale: Scale) -> list[Config]:
    """The same, and with layers frozen from below; those of freezing."""
    return [{**config, "frozen": frozen} for config in configs(scale) for frozen in (False, True)]


def cost(config: Config) -> float:
    """Seconds of one core: a third of a millisecond an example and pass, and as much again for a twin."""
    each = 3e-4 if config["halved"] else 1e-2
    examples = float(config["train"] or 50_000) * float(config["epochs"])
    return examples * each * (1.0 if config["frozen"] else 2) + (5 if config["frozen"] else 40)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train a network; unless it is frozen on the way, say of each layer when it was like its end."""
    data = redrawn(config, seed, place)
    if config["frozen"]:
        return frozen(config, data, seed)
    probe = data.x_test[evenly(len(data.x_test), config["probe"])]
    model = planned(config, data.x.shape[1:], data.classes, seed).to(data.x.device)
    checkpoints, steps = Checkpoints(), checkpoint_steps(taken(config, data), **_spacing(config))

    def keep(step: int) -> None:
        if step in steps:
            checkpoints.add(step, model)

    record = train(model, data, config, seed, keep)
    keep(steps[-1])
    twin = planned(config, data.x.shape[1:], data.classes, seed + TWIN).to(data.x.device)
    train(twin, data, config, seed + TWIN, last=True)
    found = settling(model, checkpoints, probe, blocks(model), other=twin.state_dict())
    return {
        **record,
        "layers": blocks(model),
        "share": [round(step / steps[-1], 6) for step in steps],
        "settled": {name: settled(each) for name, each in found.items()},
        "panels": panels_at(found["CKA"]),
        "normalised": normalised(model, probe),
    }


SEEN = 2000
"""So many training examples are looked at after each epoch."""
TWIN = 1000
"""What is added to a seed for the network beside it."""


def _spacing(config: Config) -> dict[str, int]:
    return {name: int(config[name]) for name in ("early", "even")}


def taken(config: Config, data: Noisy) -> int:
    """How many steps a training takes.

    Example:
        >>> data = redrawn({"data": "digits", "train": 100, "test": 10, "noise": 0.0}, 0, Place())
        >>> taken({"batch": 30, "epochs": 2}, data)
        8
    """
    return -(-len(data.y) // int(config["batch"])) * int(config["epochs"])


def train(
    model: nn.Module,
    data: Noisy,
    config: Config,
    seed: int,
    on_step: Callable[[int], None] | None = None,
    *,
    last: bool = False,
) -> dict[str, Any]:
    """Train in place, and say after each epoch how many examples are right.

    Args:
        model: What is trained.
        data: On what, and what is looked at.
        config: ``epochs``, ``batch``, ``lr``, ``momentum``.
        seed: Of the examples' order.
        on_step: Called before each step with the number of steps taken.
        last: Whether to look after the last epoch alone.

    Example:
        >>> config = {"data": "digits", "train": 100, "test": 50, "noise": 0.0, "plan": ["f8"]}
        >>> config |= {"epochs": 2, "batch": 10, "lr": 0.05, "momentum": 0.9}
        >>> data = redrawn(config, 0, Place())
        >>> found = train(planned(config, data.x.shape[1:], data.classes, 0), data, config, 0)
        >>> found["epoch"], len(found["test"])
        ([0, 1, 2], 3)
    """
    recipe = Recipe(**{name: config[name] for name in ("epochs", "batch", "lr", "momentum")})
    progress = start(model, recipe)
    some = torch.from_numpy(evenly(len(data.y), SEEN)).to(data.x.device)
    parts = {"train": (data.x[some], data.y[some]), "test": (data.x_test, data.y_test)}
    found: dict[str, Any] = {"epoch": [], "train": [], "test": []}
    for epoch in range(recipe.epochs + 1):
        if epoch == recipe.epochs or not last:
            found["epoch"].append(epoch)
            for name, (x, y) in parts.items():
                found[name].append(float((logits(model, x).argmax(1) == y).double().mean()))
        if epoch < recipe.epochs:
            train_epoch(model, data.x, data.y, recipe, progress, seed=seed, on_step=on_step)
    return found


def frozen(config: Config, data: Noisy, seed: int) -> Record:
    """Train the same network in the same order, freezing block k of K at the share k/K of training.

    Example:
        >>> config = {"data": "digits", "train": 100, "test": 50, "noise": 0.0, "plan": ["f8"]}
        >>> config |= {"epochs": 2, "batch": 10, "lr": 0.05, "momentum": 0.9}
        >>> found = frozen(config, redrawn(config, 0, Place()), 0)
        >>> round(found["frozen_for"]["fc1"], 6), found["frozen_for"]["out"]
        (0.5, 0.0)
    """
    model = planned(config, data.x.shape[1:], data.classes, seed).to(data.x.device)
    freeze, total, done = FreezeTraining(model, blocks(model)), taken(config, data), [0]

    def due(module: nn.Module, _: object) -> None:
        if module.training:  # training mode was set just before: frozen normalisations leave it again
            freeze.step(done[0] / total)

    def count(step: int) -> None:
        done[0] = step

    handle = model.register_forward_pre_hook(due)
    record = train(model, data, config, seed, count)
    handle.remove()
    saving = freeze.saving()
    freeze.release()
    shares = backward_shares(model, data.x)
    saved = sum(share * saving.frozen[name] for name, share in shares.items())
    return {**record, "frozen_for": saving.frozen, "parameters": saving.parameters, "multiplications": saved}


def normalised(model: nn.Module, probe: Tensor) -> dict[str, float | None]:
    """SVCCA of every batch normalisation's output with its input, by block; places of maps are examples.

    Example:
        >>> net = planned({"plan": ["c2", "f3"]}, (1, 4, 4), 2, seed=0)
        >>> found = normalised(net, torch.randn(50, 1, 4, 4))
        >>> found["conv1"], found["fc1"]
        (1.0, 1.0)
    """
    found, index = {}, SVCCA()
    for name in blocks(model)[:-1]:
        both = activations(model, probe, [f"{name}.0", f"{name}.1"], maps="space").values()
        before, after = (index.prepare(rows) for rows in both)
        found[name] = short(index.compare([before], [after])[0, 0].numpy())
    return found
