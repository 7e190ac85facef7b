"""What the mean gradient knows of which parity is to be learnt; and that representing it is no trouble."""

from math import comb
from typing import Any

import numpy as np
import torch
from torch import nn

from rote.dynamics import gradient_variance, hypercube, parity, parity_network
from rote.studies._panels import Axis, Line, Panel
from rote.studies._study import Config, MissingCellError, Place, Record, Rows, Scale, one, some

SIZES: dict[Scale, tuple[int, ...]] = {
    "quick": (4, 6, 8, 10, 12),
    "paper": (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
}
_WIDTH = 32


def configs(scale: Scale) -> list[Config]:
    """Every number of coordinates."""
    return [{"n": n, "width": _WIDTH} for n in SIZES[scale]]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(2e-4 * 2 ** config["n"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """All 2^n points through one hidden layer of ReLUs, as it starts.

    Returns:
        By size of the subset the mean square of what the mean gradient knows, ``known``, and its ``bound``;
        their mean over all 2^n subsets, ``mean``, of which ``share`` is log₂ of its share of the mean square
        of the gradient, ``squared``; and by what share it is ``off`` what the lemma says.
    """
    n = config["n"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(n, config["width"]), nn.ReLU(), nn.Linear(config["width"], 1))
    found = gradient_variance(net, n)
    subsets = np.array([comb(n, k) for k in range(n + 1)], float)
    mean = float(subsets @ found.by_degree / subsets.sum())
    return {
        "known": found.by_degree.tolist(),
        "bound": found.bound.tolist(),
        "mean": mean,
        "share": float(np.log2(mean / found.squared_norm)),
        "off": abs(mean * 2.0**n / found.squared_norm - 1),
        "squared": found.squared_norm,
    }


def network_configs(scale: Scale) -> list[Config]:
    """Every number of coordinates."""
    return [{"n": n} for n in SIZES[scale]]


def network_cell(config: Config, seed: int, place: Place) -> Record:
    """Parities of every size, on all 2^n points, as a network with weights set by hand.

    Returns:
        The largest ``error``, and the largest number of ``units`` over the size of the subset.
    """
    n = config["n"]
    points = hypercube(n)
    x, rng = torch.tensor(points, dtype=torch.float32), np.random.default_rng([seed, n])
    errors, units = [], []
    for k in range(1, n + 1):
        subset = np.sort(rng.permutation(n)[:k])
        net = parity_network(n, subset)
        with torch.no_grad():
            given = net(x)[:, 0].numpy()
        errors.append(float(np.abs(given - parity(points, subset)).max()))
        units.append(len(net[0].get_parameter("bias")) / k)
    return {"error": max(errors), "units": max(units)}


def _sizes(rows: Rows) -> list[int]:
    found = sorted(row.config["n"] for row in rows)
    if tuple(found) not in SIZES.values():
        raise MissingCellError("not all numbers of coordinates have run")
    return found


def off_the_lemma(rows: Rows) -> float:
    """log₁₀ of the share by which the mean over subsets differs from ``G²/2^n``, at most."""
    off = max(float(one(rows, n=n)["off"]) for n in _sizes(rows))
    return float(np.log10(max(off, 1e-17)))  # float64 cannot tell less from 0


def slope(rows: Rows) -> float:
    """Slope of log₂ of the mean over subsets, as a share of ``G²``, over n."""
    sizes = _sizes(rows)
    shares = [float(one(rows, n=n)["share"]) for n in sizes]
    return float(np.polyfit(sizes, shares, 1)[0])


def over_the_bound(rows: Rows) -> float:
    """Largest of what is known over its bound, over sizes of subsets and of networks."""
    found = [one(rows, n=n) for n in _sizes(rows)]
    return float(
        max(k / b for record in found for k, b in zip(record["known"], record["bound"], strict=True))
    )


def dense_slope(rows: Rows) -> float:
    """Slope of log₂ of what is known of the parities of half of the coordinates, over n."""
    sizes = [n for n in _sizes(rows) if n % 2 == 0]
    known = [np.log2(one(rows, n=n)["known"][n // 2]) for n in sizes]
    return float(np.polyfit(sizes, known, 1)[0])


def worst_network(rows: Rows, what: str) -> float:
    """The largest over numbers of coordinates."""
    return max(float(one(rows, n=n)[what]) for n in _sizes(rows))


def panels(rows: Rows) -> list[Panel]:
    """What is known by n, and by size of the subset."""
    seeds = sorted({row.seed for row in rows})
    kinds: dict[str, Any] = {
        "G²": lambda r: r.record["squared"],
        "all": lambda r: r.record["mean"],
        "half of n": lambda r: r.record["known"][r.config["n"] // 2],
        "one of n": lambda r: r.record["known"][1],
    }
    by_n = [
        Line(
            name, [sorted((float(r.config["n"]), float(f(r))) for r in rows if r.seed == s) for s in seeds], i
        )
        for i, (name, f) in enumerate(kinds.items())
    ]
    largest = max(row.config["n"] for row in rows)
    here = some(rows, n=largest)
    by_size = [
        Line(name, [[(float(k), v) for k, v in enumerate(r.record[name]) if v > 0] for r in here], i)
        for i, name in enumerate(("known", "bound"))
    ]
    y = Axis("mean square", "log")
    return [
        Panel("What the gradient knows", Axis("n"), y, by_n),
        Panel(f"n = {largest}, by size of the parity", Axis("coordinates in the parity"), y, by_size),
    ]


def network_panels(rows: Rows) -> list[Panel]:
    """Units over n."""
    seeds = sorted({row.seed for row in rows})
    units = [
        sorted((float(r.config["n"]), r.record["units"] * r.config["n"]) for r in rows if r.seed == s)
        for s in seeds
    ]
    return [Panel("ReLUs for all n coordinates", Axis("n"), Axis("units", low=0.0), [Line("units", units)])]
