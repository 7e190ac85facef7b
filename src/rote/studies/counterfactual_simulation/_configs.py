"""Which cells each figure has, at which size."""

from itertools import pairwise
from typing import Any

from rote.studies._study import Config, Scale

LIMITS = tuple(1 << k for k in range(11))
_SIZES: dict[Scale, dict[str, Any]] = {
    "quick": {"train": 4000, "halved": 1, "hidden": [64, 64, 64]},
    "paper": {"train": None, "halved": 0, "hidden": [256, 256, 256]},
}
_EPOCHS: dict[Scale, dict[str, int]] = {
    "quick": {"short": 10, "long": 100, "random": 150},
    "paper": {"short": 2, "long": 100, "random": 300},
}
_STOPS = {"quick": [10, 20, 40, 80, 160], "paper": [1, 2, 5, 10, 20, 50, 100, 200]}


def net(scale: Scale, name: str, **other: object) -> Config:
    """A net of the first experiment; others say what is done otherwise."""
    epochs = _EPOCHS[scale][name]
    labels = "permuted" if name == "random" else "real"
    return _net(scale, name, labels, epochs, [epochs]) | other


def nets(scale: Scale, **other: object) -> list[Config]:
    """All three."""
    return [net(scale, name, **other) for name in _EPOCHS[scale]]


def arrays(scale: Scale) -> list[Config]:
    """By shifts and adds, and by array multipliers."""
    return nets(scale) + nets(scale, multiplier="array")


def without_xor(scale: Scale) -> list[Config]:
    """With XOR gates and without; the short net by array multipliers."""
    return [*nets(scale), *nets(scale, xor=False), net(scale, "short", multiplier="array")]


def forests(scale: Scale) -> list[Config]:
    """Two forests, and the nets."""
    return nets(scale) + _forests(scale)


def noise(scale: Scale) -> list[Config]:
    """Nets and forests under noise, the nets under CFS."""
    return nets(scale) + nets(scale, **_noisy(scale)) + _forests(scale, **_noisy(scale))


def half_random(scale: Scale) -> list[Config]:
    """A net after several epochs, half of its labels random."""
    return _trainings(scale, "half", 0.5) + _trainings(scale, "half", 0.5, **_noisy(scale))


def third_random(scale: Scale) -> list[Config]:
    """A third of the labels random, and half."""
    return _trainings(scale, "third", 1 / 3) + _trainings(scale, "half", 0.5)


def composite(scale: Scale) -> list[Config]:
    """Half of the labels random, Simple and Composite."""
    return _trainings(scale, "half", 0.5) + _trainings(scale, "half", 0.5, kind="composite")


def random_values(scale: Scale) -> list[Config]:
    """The nets of the first experiment, rare values replaced by random ones."""
    return nets(scale) + nets(scale, kind="random")


def memory(scale: Scale) -> list[Config]:
    """A table, networks of luts, a balanced tree, and the short net."""
    base = {**_base(scale), "halved": 0}
    luts = {**base, "model": "luts", "k": 8, "width": 256 if scale == "quick" else 1024, "depth": 5}
    table = 4000 if scale == "quick" else 10_000  # a gate or so for each of its bits
    return [
        {**base, "model": "table", "net": "table", "train": table},
        {**luts, "net": "luts-r"},
        {**luts, "net": "luts-p", "labels": "permuted"},
        {**base, "model": "tree", "net": "tree", "labels": "permuted"},
        net(scale, "short"),
    ]


def cost(config: Config) -> float:
    """Seconds of one core: measured at quick scale, in proportion to gates at that of the paper."""
    passes = len(config["limits"])
    if config["model"] != "net":
        return 20.0 if config["train"] is None else 1.5
    widths = [784 // 4 ** config["halved"], *config["hidden"], 10]
    gates = 125 * sum(a * b for a, b in pairwise(widths))
    examples = config["train"] or 60_000
    training = max(config["stops"]) * examples / 64 * (6e-4 if gates < 1e7 else 2e-3)
    return float(training / len(config["stops"]) + gates * (1e-6 + passes * (1e-7 + examples * 1e-11)))


def _base(scale: Scale) -> dict[str, Any]:
    size = _SIZES[scale]
    return {
        "data": "mnist",
        "train": size["train"],
        "halved": size["halved"],
        "labels": "real",
        "kind": "simple",
        "limits": list(LIMITS),
    }


def _net(scale: Scale, name: str, labels: str, epochs: int, stops: list[int]) -> dict[str, Any]:
    return _base(scale) | {
        "model": "net",
        "net": name,
        "hidden": _SIZES[scale]["hidden"],
        "labels": labels,
        "epochs": epochs,
        "stops": stops,
        "batch": 64,
        "lr": 1e-3,
        "multiplier": "shift-add",
        "xor": True,
    }


def _trainings(scale: Scale, name: str, rate: float, **other: object) -> list[Config]:
    stops = _STOPS[scale]
    return [_net(scale, name, "uniform", epochs, stops) | {"rate": rate} | other for epochs in stops]


def _forests(scale: Scale, **other: object) -> list[Config]:
    longer = [2048, 4096] if scale == "paper" else []
    base = {**_base(scale), "model": "forest", "trees": 10, "limits": [*LIMITS, *longer]}
    names = {"rf-real": "real", "rf-random": "permuted"}
    return [{**base, "net": name, "labels": labels, **other} for name, labels in names.items()]


def _noisy(scale: Scale) -> dict[str, Any]:
    """Noise from 2^-30 to 2^-5, at quick scale in steps of two."""
    return {"kind": "noise", "limits": list(range(30, 4, -1 if scale == "paper" else -2))}
