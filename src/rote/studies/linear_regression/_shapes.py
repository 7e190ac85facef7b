"""The shape of the data decides: condition numbers over d/n, and three regimes."""

import math
from itertools import pairwise

import numpy as np

from rote.dynamics import MarchenkoPastur, descend, spectrum
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, MissingCellError, Place, Record, Row, Rows, Scale, one, some
from rote.studies.linear_regression._problem import log10, log_looks, problem

RATIOS = (0.1, 0.25, 0.5, 0.9, 1.0, 1.1, 2.0, 4.0, 10.0)
"""γ = d/n; the larger of d and n is the size."""
AWAY = (0.1, 0.25, 0.5, 2.0, 4.0, 10.0)
"""Those where a matrix of some hundred rows is large enough for the limit."""
_SIZE: dict[Scale, int] = {"quick": 1000, "paper": 2000}
_SQUARES: dict[Scale, tuple[int, ...]] = {"quick": (25, 50, 100, 200), "paper": (50, 100, 200, 400, 800)}
_BINS = 20

REGIMES = ("many", "as many", "few")
_TIMES = {"many": 10.0, "as many": 1.1, "few": 0.1}
_DIMENSIONS: dict[Scale, int] = {"quick": 100, "paper": 400}
_FALL, _SHOWN = 1e-3, 1000


def configs(scale: Scale) -> list[Config]:
    """Every ratio."""
    return [{"ratio": ratio, "size": _SIZE[scale]} for ratio in RATIOS]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(2e-9 * config["size"] ** 3)


def cell(config: Config, seed: int, place: Place) -> Record:
    """Eigenvalues of one Gaussian matrix.

    Returns:
        ``condition`` as measured and in ``theory`` (None where infinite), ``far``, the largest distance
        between the distribution functions of its eigenvalues and of the law, and a histogram: ``at``,
        ``density``, ``law``.
    """
    size, ratio = config["size"], config["ratio"]
    n, d = (size, round(ratio * size)) if ratio <= 1 else (round(size / ratio), size)
    X = np.random.default_rng([seed, n, d]).standard_normal((n, d))
    values = np.sort(spectrum(X).eigenvalues / n)
    law = MarchenkoPastur(d / n)
    fine = np.linspace(*law.edges, 4001)[1:]
    mass = np.cumsum(law.density(fine))
    below = np.interp(values, fine, mass / mass[-1])
    steps = np.arange(len(values) + 1) / len(values)
    far = max(np.abs(below - steps[1:]).max(), np.abs(below - steps[:-1]).max())
    counts, ends = np.histogram(values, bins=_BINS, range=law.edges)
    at = (ends[1:] + ends[:-1]) / 2
    return {
        "condition": float(values[-1] / values[0]),
        "theory": law.condition if math.isfinite(law.condition) else None,
        "far": float(far),
        "at": at.tolist(),
        "density": (counts / d / (ends[1] - ends[0])).tolist(),
        "law": law.density(at).tolist(),
    }


def square_configs(scale: Scale) -> list[Config]:
    """Square matrices, many of each size."""
    return [{"n": n, "draws": 101} for n in _SQUARES[scale]]


def square_cost(config: Config) -> float:
    """Seconds of one core."""
    return float(config["draws"] * (5e-10 * config["n"] ** 3 + 1e-6 * config["n"]))


def square_cell(config: Config, seed: int, place: Place) -> Record:
    """The ``median`` of the condition numbers of square Gaussian matrices X (not XᵀX)."""
    rng = np.random.default_rng([seed, config["n"]])
    drawn = [rng.standard_normal((config["n"], config["n"])) for _ in range(config["draws"])]
    return {"median": float(np.median([np.linalg.cond(X) for X in drawn]))}


def regime_configs(scale: Scale) -> list[Config]:
    """Ten times as many examples as dimensions, about as many, a tenth."""
    d = _DIMENSIONS[scale]
    return [{"regime": name, "d": d, "n": round(_TIMES[name] * d)} for name in REGIMES]


def regime_cell(config: Config, seed: int, place: Place) -> Record:
    """Descent at its best rate, with targets that a linear function explains.

    Returns:
        ``steps`` and ``error``; after how many the error had fallen a thousandfold, ``needed``; the
        ``condition`` of what is not 0; and ``still``, the share of directions that never move.
    """
    X, _, truth = problem(config, seed)
    found = spectrum(X)
    most = math.ceil(4.5 * found.condition) + 20  # 3.5 κ is what the slowest direction needs
    run = descend(X, X @ truth, rate=found.best_rate, steps=most)
    relative = run.errors / run.errors[0]
    shown = descend(X, X @ truth, rate=found.best_rate, steps=_SHOWN).errors
    at = log_looks(_SHOWN)
    return {
        "steps": at,
        "error": log10(shown[at] / shown[0]),
        "needed": int(np.flatnonzero(relative < _FALL)[0]),
        "condition": found.condition,
        "still": 1 - len(found.eigenvalues) / found.dimensions,
    }


def off_the_law(rows: Rows) -> float:
    """By what factor, less 1, measured and theoretical condition differ, at most over ratios away from 1."""
    found = [one(rows, ratio=ratio) for ratio in AWAY]
    return math.expm1(max(abs(math.log(r["condition"] / r["theory"])) for r in found))


def rise_towards_square(rows: Rows) -> float:
    """By what factor the condition grows from a ratio to the next towards 1, from both sides, at least."""
    at = {ratio: one(rows, ratio=ratio)["condition"] for ratio in RATIOS}
    up = [at[b] / at[a] for a, b in pairwise(ratio for ratio in RATIOS if ratio <= 1)]
    down = [at[a] / at[b] for a, b in pairwise(ratio for ratio in RATIOS if ratio >= 1)]
    return float(min(up + down))


def far_from_the_law(rows: Rows) -> float:
    """Largest distance of distribution functions over the ratios away from 1."""
    return max(float(one(rows, ratio=ratio)["far"]) for ratio in AWAY)


def square_growth(rows: Rows) -> float:
    """Slope of the logarithm of the median condition of X over that of n, for square X."""
    found = sorted((row.config["n"], row.record["median"]) for row in rows)
    if len(found) < len(_SQUARES["quick"]):
        raise MissingCellError("not all sizes have run")
    sizes, medians = np.log(np.array(found, float)).T
    return float(np.polyfit(sizes, medians, 1)[0])


def of_regime(rows: Rows, regime: str, what: str) -> float:
    """A number of one regime."""
    return float(one(rows, regime=regime)[what])


def slower_between(rows: Rows) -> float:
    """log₁₀ of the steps needed with as many examples as dimensions, over the more of the two others."""
    few, many = (of_regime(rows, regime, "needed") for regime in ("few", "many"))
    return math.log10(of_regime(rows, "as many", "needed") / max(few, many))


def panels(rows: Rows) -> list[Panel]:
    """Condition over d/n, and two densities."""
    seeds = sorted({row.seed for row in rows})
    measured = [
        sorted((r.config["ratio"], r.record["condition"]) for r in rows if r.seed == seed) for seed in seeds
    ]
    theory = sorted({(r.config["ratio"], r.record["theory"]) for r in rows if r.record["theory"]})
    ratio, condition = Axis("d/n", "log"), Axis("λmax/λmin of what is not 0", "log")
    found = [
        Panel(
            "Condition number",
            ratio,
            condition,
            [Line("measured", measured, 0), Line("theory", [theory], 1)],
        )
    ]
    for wanted in (0.25, 4.0):
        here = some(rows, ratio=wanted)
        if here:
            found.append(_density(here, wanted))
    return found


def _density(rows: list[Row], ratio: float) -> Panel:
    measured = [curve(row.record["at"], row.record["density"]) for row in rows]
    law = [curve(row.record["at"], row.record["law"]) for row in rows[:1]]
    zeros = f", {1 - 1 / ratio:.0%} zeros left out" if ratio > 1 else ""
    return Panel(
        f"d/n = {ratio:g}{zeros}",
        Axis("eigenvalue of XᵀX/n", low=0.0),
        Axis("density", low=0.0),
        [Line("measured", measured, 0), Line("theory", law, 1)],
    )


def square_panels(rows: Rows) -> list[Panel]:
    """Median condition of square matrices."""
    seeds = sorted({row.seed for row in rows})
    runs = [
        sorted((float(r.config["n"]), r.record["median"]) for r in rows if r.seed == seed) for seed in seeds
    ]
    y = Axis("median of σmax/σmin of X", "log")
    return [Panel("Square matrices", Axis("n = d", "log"), y, [Line("median", runs)])]


def regime_panels(rows: Rows) -> list[Panel]:
    """Error over steps."""
    lines = [
        Line(
            name,
            [curve(row.record["steps"], row.record["error"]) for row in some(rows, regime=name)],
            style,
        )
        for style, name in enumerate(REGIMES)
    ]
    y = Axis("log₁₀ of the distance, relative")
    return [Panel("At the best rate", Axis("step", "log1p"), y, lines)]
