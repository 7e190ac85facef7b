"""What the stability bound says without its size: which runs generalise, and when coherence counts."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rote.gradients import StabilityAccountant, coherence, smoothness
from rote.studies._noisy import endless_batches, mean_loss_and_hits, network, noisy
from rote.studies._panels import Axis, Line, Panel
from rote.studies._study import Config, MissingCellError, Place, Record, Rows, Scale, one, some

NOISE = (0.0, 0.5, 1.0)
SIZES: dict[str, tuple[int, ...]] = {"quick": (250, 500, 1000), "paper": (5000, 15_000, 45_000)}
"""Training examples, ascending; noise is varied at the largest."""
LOOKS, CURVATURES = 40, 4
"""How often coherence, and how often curvature, is measured."""

_PROTOCOL: dict[str, Any] = {"data": "mnist", "batch": 50, "lr": 0.1}
_SCALES: dict[str, dict[str, Any]] = {
    "quick": {"hidden": [256], "test": 2000, "steps": 400, "sample": 250},
    "paper": {"hidden": [2048], "test": None, "steps": 10_000, "sample": 2000},
}


def configs(scale: Scale) -> list[Config]:
    """Every noise level at the largest size, and every size without noise."""
    base = _PROTOCOL | _SCALES[scale]
    noisy_ones = [base | {"train": SIZES[scale][-1], "noise": noise} for noise in NOISE]
    return [*noisy_ones, *(base | {"train": size, "noise": 0.0} for size in SIZES[scale][:-1])]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(0.002 * config["steps"] + 1e-3 * config["sample"] * (LOOKS / 10 + 10 * CURVATURES) / 10)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Train by plain SGD, measuring coherence and curvature of a fixed sample of the training examples.

    The test labels carry the same noise as the training labels, for the bound speaks of new examples of the
    same kind.

    Returns:
        ``gap``, test loss minus training loss at the end; and what the bound is made of, look by look:
        ``steps``, ``alpha``, ``rms_norm``; ``largest_norm`` and ``curvature``, the largest seen.
    """
    data = noisy(config, seed, place)
    net = network(data.x.shape[1:], data.classes, config["hidden"], seed).to(place.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=config["lr"])
    loss_of = nn.CrossEntropyLoss()
    sample = data.x[: config["sample"]], data.y[: config["sample"]]
    every = max(config["steps"] // LOOKS, 1)
    found: dict[str, list[float]] = {"steps": [], "alpha": [], "rms_norm": []}
    largest = curvature = 0.0
    order = endless_batches(len(data.y), config["batch"], seed=seed)
    for step in range(config["steps"]):
        if step % every == 0:
            seen = coherence(net, loss_of, sample)
            squares = np.asarray(seen.squared_norms)
            found["steps"].append(step)
            found["alpha"].append(seen.alpha_unbiased)
            found["rms_norm"].append(float(squares.mean()) ** 0.5)
            largest = max(largest, float(squares.max()) ** 0.5)
        if step % (config["steps"] // CURVATURES) == 0:
            curvature = max(curvature, smoothness(net, loss_of, sample, iterations=10, seed=seed).value)
        chosen = next(order).to(place.device)
        loss = loss_of(net(data.x[chosen]), data.y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    test_y = with_noise(data.y_test, config["noise"], seed)
    train_loss, test_loss = (
        mean_loss_and_hits(net, x, y)[0] for x, y in ((data.x, data.y), (data.x_test, test_y))
    )
    return {**found, "gap": test_loss - train_loss, "largest_norm": largest, "curvature": curvature}


def with_noise(y: Tensor, noise: float, seed: int) -> Tensor:
    """Labels of which each is selected with probability ``noise``, and the selected permuted.

    Example:
        >>> with_noise(torch.arange(5), 0.0, 0).tolist()
        [0, 1, 2, 3, 4]
    """
    generator = torch.Generator().manual_seed(seed + 1)
    selected = (torch.rand(len(y), generator=generator) < noise).nonzero().flatten()
    changed = y.clone()
    changed[selected] = y[selected[torch.randperm(len(selected), generator=generator)]]
    return changed


def accountant(config: Config, record: Record, *, lipschitz: float, curvature: float) -> StabilityAccountant:
    """The bound of a run, with constants that are the same for all runs that are compared."""
    sums = StabilityAccountant(config["train"], lipschitz=lipschitz, smoothness=curvature)
    ends = [*record["steps"][1:], config["steps"]]
    for start, end, alpha, norm in zip(
        record["steps"], ends, record["alpha"], record["rms_norm"], strict=True
    ):
        sums.step(
            alpha=alpha,
            learning_rate=config["lr"],
            squared_norms=[norm**2],
            batch_size=min(config["batch"], config["train"]),
            repeat=end - start,
        )
    return sums


def bounds(rows: Rows) -> dict[tuple[int, float], float]:
    """Decimal logarithm of the sharper bound of each run, by number of examples and noise.

    L and β are the largest seen in any of the runs.

    Raises:
        MissingCellError: If no run is there.
    """
    if not rows:
        raise MissingCellError("no run of the bound is there")
    constants = {
        "lipschitz": max(row.record["largest_norm"] for row in rows),
        "curvature": max(row.record["curvature"] for row in rows),
    }
    return {
        (row.config["train"], row.config["noise"]): accountant(row.config, row.record, **constants)
        .bound()
        .sharper_log10
        for row in rows
    }


def rise_with_noise(rows: Rows, *, measured: bool) -> float:
    """By how much the bound's logarithm, or the measured gap, rises from a noise level to the next."""
    most = max((row.config["train"] for row in rows), default=0)
    found = [_value(rows, measured, most, noise) for noise in NOISE]
    return min(b - a for a, b in pairwise(found))


def fall_with_size(rows: Rows, *, measured: bool) -> float:
    """By how much either falls from a number of examples to the next, without noise, at least."""
    sizes = sorted({row.config["train"] for row in some(rows, noise=0.0)})
    if len(sizes) < len(SIZES["quick"]):
        raise MissingCellError("not all sizes have run")
    found = [_value(rows, measured, size, 0.0) for size in sizes]
    return min(a - b for a, b in pairwise(found))


def early_share(rows: Rows) -> float:
    """Share of the bound that the first tenth of the steps makes; the smallest over noise levels."""
    most = max((row.config["train"] for row in rows), default=0)
    found = []
    for noise in NOISE:
        record = one(rows, train=most, noise=noise)
        config = some(rows, train=most, noise=noise)[0].config
        constants = {"lipschitz": record["largest_norm"], "curvature": record["curvature"]}
        share = accountant(config, record, **constants).factors().sharper_share
        found.append(float(share[: math.ceil(len(share) / 10)].sum()))
    return min(found)


def panels(rows: Rows) -> list[Panel]:
    """Bound and gap over noise and over the number of examples."""
    seeds = sorted({row.seed for row in rows})
    most = max(row.config["train"] for row in rows)
    found = []
    for measured, title in ((False, "Bound, log₁₀"), (True, "Measured gap")):
        over_noise, over_size = [], []
        for seed in seeds:
            own = [row for row in rows if row.seed == seed]
            values = _all(own, measured)
            over_noise.append(sorted((n, v) for (m, n), v in values.items() if m == most))
            over_size.append(sorted((float(m), v) for (m, n), v in values.items() if n == 0.0))
        y = Axis(title)
        noise = Axis("label noise", low=0.0, high=1.0, percent=True)
        found.append(Panel(f"{title}, {most} examples", noise, y, [Line("all", over_noise)]))
        found.append(
            Panel(f"{title}, no noise", Axis("training examples", "log"), y, [Line("all", over_size)])
        )
    return found


def _all(rows: Rows, measured: bool) -> dict[tuple[int, float], float]:
    if measured:
        return {(row.config["train"], row.config["noise"]): row.record["gap"] for row in rows}
    return bounds(rows)


def _value(rows: Rows, measured: bool, train: int, noise: float) -> float:
    one(rows, train=train, noise=noise)
    return _all(rows, measured)[train, noise]
