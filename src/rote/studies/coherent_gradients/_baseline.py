"""Figures 1 to 3: a network of one hidden layer learns labels of which more and more are wrong."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rote.gradients import DecompositionRecorder, Sampled
from rote.studies._noisy import (
    Noisy,
    endless_batches,
    evaluation_steps,
    mean_loss_and_hits,
    network,
    noisy,
    shares,
)
from rote.studies._study import Config, Place, Record, Scale

NOISE = (0.0, 0.25, 0.5, 0.75, 1.0)
MIXED = (0.25, 0.5, 0.75)
"""Levels at which many labels are true and many are not: those of figures 2 and 3."""
FIRST = 10
"""Steps of figure 3."""

_PROTOCOL: dict[str, Any] = {
    "data": "mnist",
    "hidden": [2048],
    "batch": 100,
    "lr": 0.1,
    "nulls": 3,
    "sampled_examples": 400,
    "sampled_weights": 300,
}
_SIZES: dict[str, dict[str, Any]] = {
    "quick": {"train": 2000, "test": 2000, "steps": 2500},
    "paper": {"train": None, "test": None, "steps": 100_000},
}


def configs(scale: Scale) -> list[Config]:
    """Every noise level."""
    return [_PROTOCOL | _SIZES[scale] | {"noise": noise} for noise in NOISE]


def mixed_configs(scale: Scale) -> list[Config]:
    """The noise levels of figures 2 and 3."""
    return [config for config in configs(scale) if config["noise"] in MIXED]


def cost(config: Config) -> float:
    """Seconds of one core: steps, and looks at all examples."""
    train, test = config["train"] or 60_000, config["test"] or 10_000
    looks = len(evaluation_steps(config["steps"]))
    split = 2e-4 * train * len(population_steps(config["steps"])) if config["noise"] in MIXED else 0.0
    return float(0.006 * config["steps"] + 4e-5 * (train + test) * looks + split)


def population_steps(last: int) -> list[int]:
    """When the whole population is decomposed: the first ten steps, then 1, 2, 5 of each power of ten.

    Example:
        >>> population_steps(100)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100]
    """
    later = [d * 10**k for k in range(1, 7) for d in (1, 2, 5)]
    return [step for step in evaluation_steps(last) if step < FIRST or step in later]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train, and look at the evaluation steps.

    Args:
        config: Data, noise, network, recipe and what is sampled.
        seed: Of noise, weights and order.
        place: Where data lie, and the device.

    Returns:
        Curves over ``steps``; where pristine and corrupt examples both exist, ``sample`` and ``population``
        with ``f_corrupt`` (a row per step: the real world, then the null ones), ``i_pristine`` and
        ``i_corrupt`` (the same, for the first ten steps).
    """
    data = noisy(config, seed, place)
    net = network(data.x.shape[1:], data.classes, config["hidden"], seed).to(place.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=config["lr"])
    looks = evaluation_steps(config["steps"])
    watched = _Learned(data)
    splits = _recorders(net, data, config, seed)
    curves: dict[str, list[Any]] = {name: [] for name in _CURVES}
    order = endless_batches(len(data.y), config["batch"], seed=seed)
    for step in range(config["steps"] + 1):
        if step in looks:
            for name, value in watched.look(net, step).items():
                curves[name].append(value)
            for recorder, when in splits.values():
                if step in when:
                    recorder.update()
        if step < config["steps"]:
            chosen = next(order).to(place.device)
            loss = nn.functional.cross_entropy(net(data.x[chosen]), data.y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = {name: _split(recorder, when) for name, (recorder, when) in splits.items()}
    return {"steps": looks, "proper": data.proper, **curves, **watched.learned(looks), **found}


_CURVES = (
    "train_accuracy",
    "train_loss",
    "test_accuracy",
    "test_loss",
    "pristine_accuracy",
    "corrupt_accuracy",
)


class _Learned:
    """What is right at each look, and since when each example is."""

    def __init__(self, data: Noisy) -> None:
        self._data = data
        never = np.iinfo(np.int64).max
        self._first = np.full(len(data.y), never)
        self._good = np.full(len(data.y), never)
        self._never = never

    def look(self, net: nn.Module, step: int) -> dict[str, float | None]:
        data = self._data
        train_loss, hits = mean_loss_and_hits(net, data.x, data.y)
        test_loss, test_hits = mean_loss_and_hits(net, data.x_test, data.y_test)
        right = hits.cpu().numpy()
        self._first = np.where(right & (self._first == self._never), step, self._first)
        self._good = np.where(right, np.minimum(self._good, step), self._never)
        pristine, corrupt = shares(hits, data.corrupt)
        values = (
            float(hits.double().mean()),
            train_loss,
            float(test_hits.double().mean()),
            test_loss,
            pristine,
            corrupt,
        )
        return dict(zip(_CURVES, values, strict=True))

    def learned(self, looks: list[int]) -> dict[str, list[float] | None]:
        """Shares learned (once, and for good) by each look, of pristine and of corrupt examples."""
        corrupt = self._data.corrupt.cpu().numpy()
        found: dict[str, list[float] | None] = {}
        for how, when in (("learned", self._first), ("kept", self._good)):
            for kind, mask in (("pristine", ~corrupt), ("corrupt", corrupt)):
                found[f"{how}_{kind}"] = _by(when[mask], looks) if mask.any() else None
        return found


def _by(when: NDArray[np.int64], looks: list[int]) -> list[float]:
    return [float(np.mean(when <= look)) for look in looks]


def _recorders(
    net: nn.Module, data: Noisy, config: Config, seed: int
) -> dict[str, tuple[DecompositionRecorder, list[int]]]:
    if config["noise"] not in MIXED:
        return {}
    corrupt = data.corrupt.cpu().numpy()
    as_then = Sampled(examples=config["sampled_examples"], weights=config["sampled_weights"])
    ways = (
        ("sample", as_then, evaluation_steps(config["steps"])),
        ("population", None, population_steps(config["steps"])),
    )
    return {
        name: (
            DecompositionRecorder(
                net,
                nn.CrossEntropyLoss(),
                (data.x, data.y),
                corrupt,
                nulls=config["nulls"],
                seed=seed,
                sampled=sampled,
            ),
            when,
        )
        for name, sampled, when in ways
    }


def _split(recorder: DecompositionRecorder, when: list[int]) -> dict[str, Any]:
    return {
        "steps": when,
        "corrupt_share": float(recorder.corrupt.mean()),
        "f_corrupt": recorder.f_corrupt.tolist(),
        "i_pristine": recorder.i_pristine[:FIRST].tolist(),
        "i_corrupt": recorder.i_corrupt[:FIRST].tolist(),
    }
