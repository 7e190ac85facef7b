"""Making Coherence Out of Nothing At All (Chatterjee & Zielinski 2020, arXiv 2008.01217)."""

from functools import partial
from typing import Any

from rote.studies._study import Config, Figure, Scale, Study
from rote.studies.m_coherence import _claims, _identity, _panels, _train

_NOISE = (0.0, 0.5, 1.0)
_MNIST: dict[Scale, dict[str, Any]] = {
    "quick": {"data": "mnist", "train": 1000, "test": 1000, "m": 1000, "batch": 100, "lr": 0.02},
    "paper": {"data": "mnist", "train": None, "test": None, "m": 60_000, "batch": 4096, "lr": 0.1},
}
_CIFAR: dict[Scale, dict[str, Any]] = {
    "quick": {"data": "cifar10", "train": 1000, "test": 1000, "m": 500, "batch": 100, "lr": 0.05},
    "paper": {"data": "cifar10", "train": None, "test": None, "m": 50_000, "batch": 4096, "lr": 0.1},
}
_SMALL = {"train": 500, "test": 500, "m": 250, "batch": 50, "halved": 1}
_NETWORKS: dict[Scale, dict[str, dict[str, Any]]] = {
    "quick": {
        "mlp": {**_MNIST["quick"], "size": [256, 256], "steps": 2000},
        "cnn": {**_CIFAR["quick"], "size": [16, 32, 32], "steps": 1000},
        "resnet": {**_CIFAR["quick"], **_SMALL, "size": 8, "steps": 500},
        "alexnet": {**_CIFAR["quick"], "size": 8, "steps": 1600},
    },
    "paper": {
        "mlp": {**_MNIST["paper"], "size": [2048], "steps": 3000},
        "cnn": {**_CIFAR["paper"], "size": [32, 64, 64], "steps": 3000},
        "resnet": {**_CIFAR["paper"], "size": 64, "steps": 3000},
        "alexnet": {**_CIFAR["paper"], "lr": 0.01, "size": 64, "steps": 6000},
    },
}
_SECONDS = {
    "quick": {"mlp": 8.0, "cnn": 18.0, "resnet": 30.0, "alexnet": 33.0},
    "paper": {"mlp": 4000.0, "cnn": 4000.0, "resnet": 900_000.0, "alexnet": 200_000.0},
}
_WIDTHS: dict[Scale, tuple[int, ...]] = {"quick": (16, 64, 256), "paper": (16, 64, 256, 1024, 4096)}
_DEPTHS: dict[Scale, tuple[int, ...]] = {"quick": (1, 2, 4), "paper": (1, 2, 4, 6, 8)}


def _configs(scale: Scale, *, network: str) -> list[Config]:
    """Real labels, half of them drawn anew, all of them drawn anew."""
    return [{"network": network, **_NETWORKS[scale][network], "noise": noise} for noise in _NOISE]


def _sizes(scale: Scale, sizes: list[list[int]]) -> list[Config]:
    """The fully connected network at other sizes, with real and with random labels."""
    base = {"network": "mlp", **_NETWORKS[scale]["mlp"]}
    return [{**base, "size": size, "noise": noise} for size in sizes for noise in (0.0, 1.0)]


def _widths(scale: Scale) -> list[Config]:
    return _sizes(scale, [[width, width] for width in _WIDTHS[scale]])


def _depths(scale: Scale) -> list[Config]:
    return _sizes(scale, [[128] * depth for depth in _DEPTHS[scale]])


def _partitions(scale: Scale) -> list[Config]:
    """One small network, looked at four times."""
    return [
        {
            **_MNIST["quick"],
            "network": "mlp",
            "size": [64],
            "noise": 0.0,
            "looks": [0, 10, 30, 100],
            "few": 8,
            "few_sizes": [2, 4],
            "m": 960,
            "sizes": [2, 4, 8, 16, 32],
        }
    ]


def _cost(config: Config) -> float:
    """Seconds of one core, as measured (quick) or guessed (paper)."""
    if "looks" in config:
        return 5.0
    return _SECONDS["paper" if config["train"] is None else "quick"][config["network"]]


def _figure(network: str, title: str, words: str) -> Figure:
    return Figure(
        name=network,
        title=title,
        words=words,
        cell=_train.cell,
        configs=partial(_configs, network=network),
        panels=_panels.panels,
        claims=_claims.claims(network, convolutional=network != "mlp"),
        data=("mnist" if network == "mlp" else "cifar10",),
        cost=_cost,
    )


def _sweep(of: str, title: str, words: str) -> Figure:
    return Figure(
        name=of,
        title=title,
        words=words,
        cell=_train.cell,
        configs=_widths if of == "width" else _depths,
        panels=partial(_panels.sweep_panels, of=of),
        claims=_claims.sweep_claims(of),
        data=("mnist",),
        cost=_cost,
    )


STUDY = Study(
    name="m-coherence",
    title="Making coherence out of nothing at all",
    paper="Chatterjee & Zielinski, Making Coherence Out of Nothing At All: Measuring the Evolution of "
    "Gradient Alignment, 2020, arXiv 2008.01217",
    link="https://arxiv.org/abs/2008.01217",
    figures=(
        _figure(
            "mlp",
            "Fully connected network, MNIST",
            "m-coherence counts how many examples of the sample a small step on one of them helps, itself "
            "included: 1 where gradients are orthogonal. It is measured on a fixed sample of the training "
            "examples while the network learns, with their own labels, with half of them drawn anew, and "
            "with all of them drawn anew.",
        ),
        _figure("cnn", "Convolutional network, CIFAR-10", "The same with a small convolutional network."),
        _figure("resnet", "ResNet-18, CIFAR-10", "The same with a ResNet-18 with group normalisation."),
        _figure("alexnet", "AlexNet’s shape, CIFAR-10", "The same with five convolutions and three layers."),
        _sweep(
            "width",
            "Over width",
            "The fully connected network with two hidden layers of other widths. Peak is the highest "
            "m-coherence after the lowest of the first 25 steps.",
        ),
        _sweep("depth", "Over depth", "The same with more or fewer hidden layers of 128 units."),
        Figure(
            name="identity",
            title="Coherence of minibatches",
            words="Gradients of minibatches agree better than those of examples, by a known law. It is "
            "checked on every partition of eight examples, where it must be exact, and on one random "
            "partition of many examples for each size of minibatch.",
            cell=_identity.cell,
            configs=_partitions,
            panels=_identity.panels,
            claims=_identity.CLAIMS,
            data=("mnist",),
            cost=_cost,
        ),
    ),
    deviations=(
        "MNIST and CIFAR-10 instead of ImageNet, with networks that fit them. Quick takes 500 or 1,000 "
        "training examples, so that random labels can be fitted within 2,000 steps, narrow networks, and for "
        "the ResNet images of 16 × 16.",
        "The sample is 250 to 1,000 training examples instead of 40,356; m-coherence grows with it, so only "
        "shapes and ratios can be compared with the paper, not heights.",
        "Group normalisation or none instead of batch normalisation, so that every example has a gradient of "
        "its own; the paper does not say how its own was treated.",
        "SGD with momentum 0.9 as in the paper, at a constant learning rate and with batches of 50 or 100 "
        "(quick) or 4,096; no schedule, no augmentation, no weight decay.",
        "Labels are drawn anew from all classes, so one in ten of those drawn keeps its own.",
        "The AlexNet’s shape has neither dropout nor local response normalisation.",
        "Width and depth are swept on the fully connected network alone.",
    ),
)
