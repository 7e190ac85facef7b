"""Modes learnt one after another: factors that start aligned with their target, beside the formula."""

from itertools import pairwise
from typing import Any

import numpy as np

from rote.dynamics import balanced_factors, descend_factors, mode_time
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one, some

DEPTHS = (1, 2, 3, 4)
TARGETS = (1.0, 0.5, 0.25)
SHARES = (0.1, 0.5, 0.9)
"""Of its target that a mode has reached, when it is timed."""
_SIZES: dict[Scale, dict[str, Any]] = {
    "quick": {"d": 6, "start": 1e-3, "rate": 0.02},
    "paper": {"d": 30, "start": 1e-3, "rate": 0.005},
}
_LOOKS, _KEPT = 1000, 6


def configs(scale: Scale) -> list[Config]:
    """Every depth."""
    return [{**_SIZES[scale], "depth": depth} for depth in DEPTHS]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(2e-5 * config["depth"] * _span(config) / config["rate"])


def _span(config: Config) -> float:
    """How long to watch: until the last mode has its ninety percent, and a little more."""
    return 1.1 * mode_time(config["start"], min(TARGETS), config["depth"], share=max(SHARES)) + 1


def cell(config: Config, seed: int, place: Place) -> Record:
    """Gradient descent on N factors of a matrix with three modes, in random directions.

    Returns:
        ``time`` (rate times steps) and what of their targets the ``modes`` have, one curve each; when each
        had its share, as ``measured`` and ``foretold``, both ``[mode][share]``; and ``drift``, the largest
        imbalance.
    """
    depth, d = config["depth"], config["d"]
    rng = np.random.default_rng([seed, d])
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0][:, : len(TARGETS)] for _ in range(2))
    M = U @ np.diag(TARGETS) @ V.T
    steps = int(_span(config) / config["rate"])
    run = descend_factors(
        balanced_factors(config["start"] * U @ V.T, depth),
        lambda W: W - M,
        rate=config["rate"],
        steps=steps,
        every=max(steps // _LOOKS, 1),
    )
    time = config["rate"] * run.steps
    modes = np.einsum("pr,tpq,qr->rt", U, run.products, V) / np.array(TARGETS)[:, None]
    return {
        "time": time[::_KEPT].tolist(),
        "modes": modes[:, ::_KEPT].tolist(),
        "measured": [[float(np.interp(share, mode, time)) for share in SHARES] for mode in modes],
        "foretold": [
            [mode_time(config["start"], target, depth, share=share) for share in SHARES] for target in TARGETS
        ],
        "drift": float(run.imbalances.max(initial=0.0)),
    }


def deviation(rows: Rows) -> float:
    """By what share of it a measured half-time differs from the formula, at most over depths and modes."""
    worst = 0.0
    for depth in DEPTHS:
        record = one(rows, depth=depth)
        half = SHARES.index(0.5)
        for measured, foretold in zip(record["measured"], record["foretold"], strict=True):
            worst = max(worst, abs(measured[half] / foretold[half] - 1))
    return worst


def halves(rows: Rows, depth: int) -> list[float]:
    """Measured half-times of the modes, the largest target first."""
    half = SHARES.index(0.5)
    return [float(times[half]) for times in one(rows, depth=depth)["measured"]]


def together(rows: Rows) -> float:
    """The latest over the earliest half-time without depth, less 1."""
    times = halves(rows, 1)
    return max(times) / min(times) - 1


def one_after_another(rows: Rows) -> float:
    """By what factor the next mode's half-time is later, at least, over depths from 2 on."""
    return min(b / a for depth in DEPTHS[1:] for a, b in pairwise(halves(rows, depth)))


def apart(rows: Rows) -> float:
    """By how much the share of its rise in a mode's waiting falls from a depth to the next, at least.

    That is the time from 10 to 90 % over the time to 50 %, the strongest mode.
    """
    widths = []
    for depth in DEPTHS:
        low, half, high = one(rows, depth=depth)["measured"][0]
        widths.append((high - low) / half)
    return float(min(a - b for a, b in pairwise(widths)))


def overlap(rows: Rows) -> float:
    """What the second mode has of its target when the first has 90 %, the most over depths from 3 on."""
    found = []
    for depth in DEPTHS[2:]:
        record = one(rows, depth=depth)
        at = record["measured"][0][-1]
        found.append(float(np.interp(at, record["time"], record["modes"][1])))
    return max(found)


def panels(rows: Rows) -> list[Panel]:
    """Modes over time for every depth, and half-times beside the formula."""
    found = []
    for depth in DEPTHS:
        here = some(rows, depth=depth)
        lines = [
            Line(f"{target:g}", [curve(r.record["time"], r.record["modes"][mode]) for r in here], mode)
            for mode, target in enumerate(TARGETS)
        ]
        share = Axis("share of the target", low=0.0, high=1.0, percent=True)
        name = "1 factor" if depth == 1 else f"{depth} factors"
        found.append(Panel(name, Axis("time"), share, lines))
    return found


def half_time_panel(rows: Rows) -> Panel:
    """Half-time over depth, measured and by the formula."""
    seeds = sorted({row.seed for row in rows})
    half = SHARES.index(0.5)
    lines: list[Line] = []
    for mode, target in enumerate(TARGETS):
        for kind in ("measured", "foretold"):
            runs = [
                sorted((float(r.config["depth"]), r.record[kind][mode][half]) for r in rows if r.seed == seed)
                for seed in seeds
            ]
            lines.append(
                Line(f"{target:g}" if kind == "measured" else f"{target:g} formula", runs, len(lines))
            )
    return Panel("Time to half the target", Axis("factors"), Axis("time", "log"), lines)
