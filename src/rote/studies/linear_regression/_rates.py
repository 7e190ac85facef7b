"""How fast descent on all examples is, and where it blows up."""

import math
from typing import Any

from rote.dynamics import descend, spectrum
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Row, Rows, Scale, one, some
from rote.studies.linear_regression._problem import log10, log10_of, log_looks, problem

RATES: tuple[float | str, ...] = (0.25, 0.5, 0.8, 0.95, 1.05, "best")
"""Learning rates, as shares of the edge 2/λmax, and the best, 2/(λmax + λmin)."""
HALVED = (True, False)
_SIZES: dict[Scale, dict[str, Any]] = {"quick": {"n": 20, "d": 50}, "paper": {"n": 200, "d": 500}}
_FACTOR, _MOST, _SHOWN = 1e10, 20_000, 200
_SHARES = [0.3 + 0.025 * i for i in range(33)]
_MOST_SHOWN = 5.0  # powers of ten by which an error has grown


def configs(scale: Scale) -> list[Config]:
    """Every learning rate."""
    return [{**_SIZES[scale], "rate": rate} for rate in RATES]


def edge_configs(scale: Scale) -> list[Config]:
    """With and without the half in the loss."""
    return [{**_SIZES[scale], "halved": halved, "steps": 200} for halved in HALVED]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Descent until its error should have fallen, or risen, by ten powers of ten.

    Returns:
        The factor of a step in the long run as ``measured`` and ``foretold``, ``max |1 - rate·λ|``; and of a
        run of as many steps for all, ``steps`` and ``error``, log₁₀ of the distance to the end over that at
        the start.
    """
    X, y, w0 = problem(config, seed)
    found = spectrum(X)
    rate = found.best_rate if config["rate"] == "best" else config["rate"] * found.edge
    foretold = found.shrinkage(rate)
    run = descend(X, y, rate=rate, steps=_steps(foretold), w0=w0)
    shown = descend(X, y, rate=rate, steps=_SHOWN, w0=w0).errors
    at = log_looks(_SHOWN)
    return {
        "steps": at,
        "error": log10(shown[at] / shown[0]),
        "measured": run.shrinkage,
        "foretold": foretold,
    }


def _steps(factor: float) -> int:
    return min(math.ceil(math.log(_FACTOR) / abs(math.log(factor))), _MOST)


def edge_cell(config: Config, seed: int, place: Place) -> Record:
    """The learning rate from which on the error grows, by bisection, without a look at the eigenvalues.

    Returns:
        ``edge`` in units of 1/λmax; and over ``shares`` of 2/λmax the ``growth``, log₁₀ of the error after
        all steps over that after half of them.
    """
    X, y, w0 = problem(config, seed)
    top = float(spectrum(X).eigenvalues[0])

    def growth(rate: float) -> float:
        errors = descend(X, y, rate=rate, steps=config["steps"], w0=w0, halved=config["halved"]).errors
        first, last = float(errors[config["steps"] // 2]), float(errors[-1])
        return math.inf if not math.isfinite(last) else math.log10(last / first) if last else -math.inf

    total = float((X**2).sum())  # of the eigenvalues, so that λmax is between it / n and it
    low, high = 0.1 / total, 2.5 * len(X) / total
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if growth(middle) > 0 else (middle, high)
    values = [growth(share * 2 / top) for share in _SHARES]
    shown = [value if math.isfinite(value) else None for value in values]
    return {"edge": low * top, "shares": _SHARES, "growth": shown}


def deviation(rows: Rows) -> float:
    """log₁₀ of the share by which the factor of a step differs from the one foretold, at most over rates."""
    found = [one(rows, rate=rate) for rate in RATES]
    return log10_of(max(abs(r["measured"] / r["foretold"] - 1) for r in found))


def best_by(rows: Rows) -> float:
    """By how much the factor of a step at the best rate is below that at any other."""
    others = [one(rows, rate=rate)["measured"] for rate in RATES if rate != "best"]
    return float(min(others) - one(rows, rate="best")["measured"])


def edge(rows: Rows, *, halved: bool) -> float:
    """The measured edge, in units of 1/λmax."""
    return float(one(rows, halved=halved)["edge"])


def panels(rows: Rows) -> list[Panel]:
    """Error over steps, and the factors beside each other."""
    lines = [
        Line(
            rate if isinstance(rate, str) else f"{rate:g} edge",
            [curve(row.record["steps"], row.record["error"]) for row in some(rows, rate=rate)],
            style,
        )
        for style, rate in enumerate(RATES)
    ]
    seeds = sorted({row.seed for row in rows})
    factors = [
        Line(
            name,
            [
                sorted(
                    (float(row.config["rate"]), float(row.record[name]))
                    for row in rows
                    if row.seed == seed and row.config["rate"] != "best"
                )
                for seed in seeds
            ],
            style,
        )
        for style, name in enumerate(("measured", "foretold"))
    ]
    share = Axis("learning rate, in units of the edge")
    return [
        Panel("Distance to the end", Axis("step", "log1p"), Axis("log₁₀ of the distance, relative"), lines),
        Panel("Factor of a step, long run", share, Axis("factor"), factors, (1.0, "neither")),
    ]


def _shown(row: Row) -> list[tuple[float, float]]:
    points = curve(row.record["shares"], row.record["growth"])
    return [(share, growth) for share, growth in points if growth <= _MOST_SHOWN]


def edge_panels(rows: Rows) -> list[Panel]:
    """Growth of the error on both sides of the edge."""
    lines = [
        Line(
            "½ ‖Xw-y‖²" if halved else "‖Xw-y‖²",
            [_shown(row) for row in some(rows, halved=halved)],
            style,
        )
        for style, halved in enumerate(HALVED)
    ]
    x, y = Axis("learning rate, in units of 2/λmax"), Axis("log₁₀ of growth in the second half")
    return [Panel("Growth of the error", x, y, lines, (0.0, "neither"))]
