"""The end-to-end matrix moves on its own: its closed form beside gradient steps on the factors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.dynamics import (
    balanced_factors,
    descend_factors,
    end_to_end_flow,
    end_to_end_velocity,
    imbalance,
    mode_velocity,
    tied_velocity,
)
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one, some

DEPTHS = (1, 2, 3, 4)
_SIZES: dict[Scale, dict[str, Any]] = {
    "quick": {"d": 5, "rate": 0.01, "time": 2.0},
    "paper": {"d": 12, "rate": 0.002, "time": 4.0},
}
_TINY = 1e-7
_ROUNDING = 1e-17  # float64 cannot tell less from 0
Floats = NDArray[np.float64]


def configs(scale: Scale) -> list[Config]:
    """Every depth."""
    return [{**_SIZES[scale], "depth": depth} for depth in DEPTHS]


def cell(config: Config, seed: int, place: Place) -> Record:
    """One path of a product, from a random start to a random target, as flow and as steps; and tied factors.

    Returns:
        ``step``, the relative difference of one tiny step from the velocity in closed form, and ``tied_step``
        of the same with tied factors; ``speed`` and ``tied_speed``, by what a mode is faster than without
        depth where all commute, over ``s^(2 - 2/N)``; over ``time``, relative distances of the steps from the
        flow, ``apart``, and at half the rate, ``closer``; the ``drift`` of the balance, relative, at the end
        of both; and ``turning``, how far the flow's Jacobian is from symmetric, relative.
    """
    depth, d = config["depth"], config["d"]
    rng = np.random.default_rng([seed, d])
    W0, M = rng.standard_normal((2, d, d)) / np.sqrt(d)
    factors = balanced_factors(W0, depth)
    tiny = descend_factors(factors, lambda W: W - M, rate=_TINY, steps=1).products
    closed = end_to_end_velocity(W0, W0 - M, depth)
    paths, drifts, times = _paths(config, factors, M)
    flow = end_to_end_flow(W0, lambda W: W - M, depth, times)
    size = float(np.linalg.norm(flow[-1]))
    apart, closer = (np.linalg.norm(path - flow, axis=(1, 2)) / size for path in paths)
    return {
        "step": _relative((tiny[1] - tiny[0]) / _TINY, closed),
        "tied_step": _tied_step(rng, d, depth),
        "speed": _speed(rng, depth, tied=False),
        "tied_speed": _speed(rng, depth, tied=True),
        "time": times.tolist(),
        "apart": apart.tolist(),
        "closer": closer.tolist(),
        "drift": drifts,
        "turning": _turning(W0, M, depth),
    }


def _relative(found: Floats, wanted: Floats) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _paths(config: Config, factors: list[Floats], M: Floats) -> tuple[list[Floats], list[float], Floats]:
    """Products by steps at the rate and at half of it, their last imbalance, and the times of both."""
    steps = round(config["time"] / config["rate"])
    every = max(steps // 20, 1)
    paths, drifts = [], []
    for part in (1, 2):
        run = descend_factors(
            factors, lambda W: W - M, rate=config["rate"] / part, steps=steps * part, every=every * part
        )
        paths.append(run.products)
        inner = sum(float(np.linalg.norm(factor.T @ factor)) for factor in run.factors) / len(run.factors)
        drifts.append(float(imbalance(run.factors).max(initial=0.0)) / inner)
    return paths, drifts, config["rate"] * np.asarray(run.steps, float) / 2


def _tied_step(rng: np.random.Generator, d: int, depth: int) -> float:
    """Relative difference of one tiny step of tied factors from its closed form; symmetric, not commuting."""
    A, M = (part + part.T for part in rng.standard_normal((2, d, d)) / np.sqrt(4 * d))
    run = descend_factors([A] * depth, lambda W: W - M, rate=_TINY, steps=1, tied=True)
    found = (run.products[1] - run.products[0]) / _TINY
    return _relative(found, tied_velocity(A, run.products[0] - M, depth))


def _speed(rng: np.random.Generator, depth: int, *, tied: bool) -> float:
    """Speed of one mode s that commutes with its gradient, over ``s^(2-2/N)`` times that without depth."""
    s, g = rng.uniform(0.5, 1.5, 2)
    factor = np.array([[s ** (1 / depth)]])
    run = descend_factors([factor] * depth, lambda W: np.array([[g]]), rate=_TINY, steps=1, tied=tied)
    measured = (run.products[1] - run.products[0]) / _TINY
    plain = -float(mode_velocity(s, g, 1)) * s ** (2 - 2 / depth)
    return float(-measured[0, 0] / plain)


def _turning(W0: Floats, M: Floats, depth: int) -> float:
    """``‖J - Jᵀ‖/‖J‖`` for J the Jacobian of the end-to-end velocity; 0 for a gradient of anything."""
    flat, columns, h = W0.ravel(), [], 1e-5

    def velocity(at: Floats) -> Floats:
        W = at.reshape(W0.shape)
        return end_to_end_velocity(W, W - M, depth).ravel()

    for unit in np.eye(len(flat)):
        columns.append((velocity(flat + h * unit) - velocity(flat - h * unit)) / (2 * h))
    J = np.array(columns).T
    return float(np.linalg.norm(J - J.T) / np.linalg.norm(J))


def worst(rows: Rows, what: str) -> float:
    """log₁₀ of a relative difference, the largest over depths."""
    return float(np.log10(max(max(one(rows, depth=depth)[what] for depth in DEPTHS), _ROUNDING)))


def speed(rows: Rows, *, tied: bool) -> float:
    """log₁₀ of the share by which the speed differs from N, or tied from N², at most over depths."""
    key, power = ("tied_speed", 2) if tied else ("speed", 1)
    off = max(abs(one(rows, depth=depth)[key] / depth**power - 1) for depth in DEPTHS)
    return float(np.log10(max(off, _ROUNDING)))


def farthest(rows: Rows) -> float:
    """Largest distance of the steps from the flow, over all times and depths."""
    return float(max(max(one(rows, depth=depth)["apart"]) for depth in DEPTHS))


def order(rows: Rows) -> float:
    """log₂ of the largest distance over that at half the learning rate, the farthest from 1."""
    found = []
    for depth in DEPTHS:
        record = one(rows, depth=depth)
        found.append(float(np.log2(max(record["apart"]) / max(record["closer"]))))
    return max(found, key=lambda value: abs(value - 1))


def drift_order(rows: Rows) -> float:
    """log₂ of the last imbalance over that at half the learning rate, the farthest from 1."""
    found = []
    for depth in DEPTHS[1:]:
        whole, half = one(rows, depth=depth)["drift"]
        found.append(float(np.log2(whole / half)))
    return max(found, key=lambda value: abs(value - 1))


def turning(rows: Rows) -> float:
    """How far the Jacobian is from symmetric, the least over depths from 2 on."""
    return min(float(one(rows, depth=depth)["turning"]) for depth in DEPTHS[1:])


def straight(rows: Rows) -> float:
    """log₁₀ of the same without depth."""
    return float(np.log10(max(one(rows, depth=1)["turning"], _ROUNDING)))


def panels(rows: Rows) -> list[Panel]:
    """Distance of the steps from the flow, at two rates; and how fast a mode is, by depth."""
    found = []
    for key, title in (("apart", "At the rate"), ("closer", "At half the rate")):
        lines = [
            Line(f"N = {depth}", [curve(r.record["time"], r.record[key]) for r in some(rows, depth=depth)], i)
            for i, depth in enumerate(DEPTHS)
        ]
        found.append(Panel(title, Axis("time"), Axis("distance from the flow, relative", low=0.0), lines))
    seeds = sorted({row.seed for row in rows})
    speeds = [
        Line(
            name,
            [
                sorted((float(r.config["depth"]), r.record[key]) for r in rows if r.seed == seed)
                for seed in seeds
            ],
            style,
        )
        for style, (name, key) in enumerate((("untied", "speed"), ("tied", "tied_speed")))
    ]
    y = Axis("speed over s^(2-2/N)", low=0.0)
    return [*found, Panel("How much faster", Axis("factors"), y, speeds)]
