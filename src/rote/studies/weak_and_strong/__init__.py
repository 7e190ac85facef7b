"""Weak and Strong Gradient Directions (Zielinski, Krishnan & Chatterjee 2020, arXiv 2003.07422)."""

from functools import partial

from rote.studies._judge import above
from rote.studies._study import Claim, Config, Figure, Scale, Study
from rote.studies.weak_and_strong import _claims, _hardness, _panels, _train

_NOISE = (0.0, 0.5)
_SIZES: dict[Scale, dict[str, Config]] = {
    "quick": {
        "mnist": {"train": 4000, "test": 2000, "network": "mlp", "size": [256, 256], "batch": 100},
        "cifar10": {"train": 3000, "test": 2000, "network": "cnn", "size": [16, 32, 32], "batch": 50},
    },
    "paper": {
        "mnist": {"train": None, "test": None, "network": "mlp", "size": [256, 256, 256], "batch": 256},
        "cifar10": {"train": None, "test": None, "network": "resnet", "size": 64, "batch": 256},
    },
}
_EPOCHS = {"quick": {"mnist": 60, "cifar10": 40}, "paper": {"mnist": 90, "cifar10": 90}}


def _configs(scale: Scale, *, data: str) -> list[Config]:
    """Every optimizer, without noise and with half of the labels drawn anew."""
    base = {"data": data, **_SIZES[scale][data], "epochs": _EPOCHS[scale][data], "lr": 0.1}
    return [{**base, "noise": noise, "optimizer": name} for noise in _NOISE for name in _panels.ARMS]


def _hard_configs(scale: Scale) -> list[Config]:
    small = scale == "quick"
    return [
        {
            "data": "cifar10",
            **_SIZES[scale]["cifar10"],
            "train": 20_000 if small else None,
            "own_train": 3000 if small else 15_000,
            "own_test": 600 if small else 3000,
            "early": 2,
            "epochs": 20 if small else 90,
            "optimizer": "momentum",
            "lr": 0.1,
        }
    ]


def _cost(config: Config) -> float:
    """Seconds of one core: measured on small networks, guessed for the large one."""
    each = {"mlp": 3e-5, "cnn": 1.5e-4, "resnet": 0.1}[config["network"]]
    if "early" in config:
        seen = 2 * config["own_train"] * config["epochs"] + 2 * (config["train"] or 50_000)
        return float(each * seen)
    return each * float((config["train"] or 50_000) * config["epochs"])


def _figure(name: str, title: str, words: str, data: str) -> Figure:
    return Figure(
        name=name,
        title=title,
        words=words,
        cell=_train.cell,
        configs=partial(_configs, data=data),
        panels=_panels.panels,
        claims=_claims.claims(name),
        data=(data,),
        cost=_cost,
    )


_HARDNESS = Figure(
    name="easy-and-hard",
    title="Easy and hard examples, each learned by themselves",
    words=(
        "SGD with momentum learns CIFAR-10 for two epochs. What it then gets right is called easy, the rest "
        "hard. Two networks start anew, one on easy examples, one on as many hard ones, and each is "
        "judged on held-out examples of its own kind."
    ),
    cell=_hardness.cell,
    configs=_hard_configs,
    panels=_hardness.panels,
    claims=(
        Claim(
            "easy-generalize-better",
            "Easy examples generalize better to easy ones than hard examples to hard ones.",
            "Zielinski, Krishnan & Chatterjee 2020, easy and hard examples",
            "Accuracy on held-out easy ones after easy ones, minus that on hard after hard, at the end",
            above(0.0),
            _hardness.own_gap,
            percent=True,
        ),
        Claim(
            "easy-define-the-boundary",
            "Examples learned late do less for the decision boundary than as many that are learned early.",
            "Chatterjee & Zielinski 2022",
            "Test accuracy after training on easy examples, minus that after training on hard ones",
            above(0.0),
            _hardness.whole_gap,
            percent=True,
        ),
    ),
    data=("cifar10",),
    cost=_cost,
)

STUDY = Study(
    name="weak-and-strong",
    title="Weak and strong gradient directions",
    paper="Zielinski, Krishnan & Chatterjee, Weak and Strong Gradient Directions: Explaining Memorization, "
    "Generalization, and Hardness of Examples at Scale, 2020, arXiv 2003.07422",
    link="https://arxiv.org/abs/2003.07422",
    figures=(
        _figure(
            "mnist",
            "M3 and RM3 on MNIST",
            "A fully connected network learns MNIST, with its own labels and with half of them drawn anew. "
            "Wrong labels that are fitted were memorised. SGD-m is SGD with momentum 0.9, the paper’s "
            "baseline; SGD is the same without; SGD 3b takes three batches at once, so it makes as many "
            "updates as M3, with the mean where M3 has the median; RA3 is that for RM3.",
            "mnist",
        ),
        _figure(
            "cifar",
            "M3 and RM3 on CIFAR-10",
            "The same with a convolutional network on CIFAR-10.",
            "cifar10",
        ),
        _HARDNESS,
    ),
    deviations=(
        "MNIST and CIFAR-10 instead of ImageNet, with networks that fit them; quick takes 4,000 and 3,000 "
        "training examples, batches of 100 and 50 instead of 256, and 60 and 40 epochs instead of 90, so "
        "that SGD with momentum can still fit them all.",
        "The networks have group normalisation (ResNet-18) or none, where the paper’s have batch "
        "normalisation, so that every example has a gradient of its own.",
        "The learning rate is 0.1 and falls to a tenth after each third of the epochs, as the paper’s does "
        "for ResNet-18; no weight decay and no augmentation, as there.",
        "SGD without momentum, and SGD on three batches at once, are added as controls: M3 and RM3 have no "
        "momentum, and M3 makes a third of the updates.",
        "Easy and hard examples come from one run each, of 20,000 training images at quick scale; both kinds "
        "are drawn in equal number, 5 for training to 1 held out, as in the paper.",
    ),
)
