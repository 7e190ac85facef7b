"""One example at a time, drawn by its norm and solved: Kaczmarz's method beside its bound."""

from typing import Any

import numpy as np

from rote.dynamics import kaczmarz, kaczmarz_bound
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one
from rote.studies.linear_regression._problem import log10, looks, problem

_SIZES: dict[Scale, dict[str, Any]] = {
    "quick": {"n": 20, "d": 50, "runs": 20, "passes": 60},
    "paper": {"n": 100, "d": 250, "runs": 100, "passes": 60},
}


def configs(scale: Scale) -> list[Config]:
    """One problem, many runs."""
    return [_SIZES[scale]]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(1.2e-5 * config["runs"] * config["passes"] * config["n"])


def cell(config: Config, seed: int, place: Place) -> Record:
    """Runs that differ in which examples are drawn.

    Returns:
        ``steps``, and log₁₀ of the ``mean`` of ‖e‖² over runs and of the ``bound``, both over ‖e_0‖²; and the
        factor of a step, ``measured`` from the second half and as ``bounded``.
    """
    X, y, w0 = problem(config, seed)
    steps = config["passes"] * config["n"]
    runs = [
        kaczmarz(X, y, steps=steps, w0=w0, seed=1000 * seed + run).errors for run in range(config["runs"])
    ]
    mean = np.mean([(errors / errors[0]) ** 2 for errors in runs], axis=0)
    factor = kaczmarz_bound(X)
    at, half = looks(steps), steps // 2
    return {
        "steps": at,
        "mean": log10(mean[at]),
        "bound": [step * float(np.log10(factor)) for step in at],
        "measured": float((mean[-1] / mean[half]) ** (1 / (steps - half))),
        "bounded": factor,
    }


def over_the_bound(rows: Rows) -> float:
    """log₁₀ of the mean over the bound, the largest over the looks after the first pass."""
    config = rows[0].config if rows else {}
    record = one(rows)
    later = [
        mean - bound
        for step, mean, bound in zip(record["steps"], record["mean"], record["bound"], strict=True)
        if step >= config["n"] and mean is not None
    ]
    return float(max(later))


def faster(rows: Rows) -> float:
    """How many times as fast the error falls as the bound says."""
    record = one(rows)
    return float(np.log(record["measured"]) / np.log(record["bounded"]))


def panels(rows: Rows) -> list[Panel]:
    """Mean square and bound."""
    lines = [
        Line(name, [curve(row.record["steps"], row.record[name]) for row in rows], style)
        for style, name in enumerate(("mean", "bound"))
    ]
    y = Axis("log₁₀ of ‖e‖², relative")
    return [Panel("One example a step", Axis("step"), y, lines)]
