"""Copies of one network that part at step k, see the data in other orders, and are compared at the end."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rote.dynamics import Path, instability, line, stable_from
from rote.studies._redrawn import evenly, redrawn
from rote.studies._study import Config, Place, Record, Scale
from rote.studies.linear_mode_connectivity._networks import network
from rote.studies.linear_mode_connectivity._train import CHUNK, judged, shortened, steps

LEVEL = 0.02
"""Copies are stable if the error between them rises by less than this."""


def lenet(scale: Scale) -> list[Config]:
    """LeNet-300-100 on MNIST with Adam."""
    base = {
        "data": "mnist",
        "noise": 0.0,
        "halved": 0,
        "network": "mlp",
        "hidden": [300, 100],
        "optimizer": "adam",
        "lr": 1.2e-3,
        "weight_decay": 0.0,
        "batch": 60,
        "drops": [],
        "augment": False,
    }
    if scale == "quick":
        sizes: Config = {"train": 20_000, "test": 2000, "total": 1200, "ks": [0, 60, 300], "points": 11}
    else:
        sizes = {"train": None, "test": None, "total": 24_000, "ks": [0, 250, 1000, 4000], "points": 30}
    return [{**base, **sizes, "statistics": 0}]


def resnet(scale: Scale) -> list[Config]:
    """ResNet-20 on CIFAR-10 with SGD and two drops of the learning rate, at one half and three quarters."""
    base = {
        "data": "cifar10",
        "noise": 0.0,
        "network": "resnet20",
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 1e-4,
    }
    if scale == "quick":
        sizes: Config = {
            "train": 20_000,
            "test": 2000,
            "halved": 1,
            "width": 8,
            "batch": 64,
            "lr": 0.05,
            "augment": False,
            "total": 700,
            "drops": [350, 525],
            "ks": [0, 20, 70, 140, 280],
            "points": 11,
            "statistics": 1000,
        }
    else:
        sizes = {
            "train": None,
            "test": None,
            "halved": 0,
            "width": 16,
            "batch": 128,
            "lr": 0.1,
            "augment": True,
            "total": 63_000,
            "drops": [32_000, 48_000],
            "points": 30,
            "statistics": 10_000,
            "ks": [0, 250, 500, 1000, 2000, 3000, 4000, 8000, 16_000],
        }
    return [{**base, **sizes}]


def cost(config: Config) -> float:
    """Seconds of one core: milliseconds an example and step, for each copy from its k on."""
    each = (
        4e-5
        if config["network"] == "mlp"
        else 5e-4 * (config["width"] / 8) ** 1.5 * 4 ** (1 - config["halved"])
    )
    taken = sum(2 * (config["total"] - k) for k in config["ks"]) + max(config["ks"])
    return float(each * config["batch"] * taken)


def cell(config: Config, seed: int, place: Place) -> Record:
    """The whole sweep over k of one network; error and loss are those of test examples."""
    data = redrawn(config, seed, place)
    evaluate = judged(data)
    shown = data.x[torch.from_numpy(evenly(len(data.x), config["statistics"]))]
    batches = list(shown.split(CHUNK))

    def make_model(seed: int) -> nn.Module:
        return network(config, data.x.shape[1:], data.classes, seed).to(place.device)

    def measure(model: nn.Module, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Path:
        return line(model, a, b, evaluate, points=int(config["points"]), statistics=batches)

    sweep = instability(
        make_model,
        steps(data.x, data.y, config, seed),
        measure,
        ks=config["ks"],
        total=int(config["total"]),
        seeds=[seed],
    )
    found = list(sweep)
    return {
        "copies": [shortened(pair.to_dict()) for pair in found],
        "stable_from": stable_from(found, level=LEVEL),
    }
