"""What elimination finds, from how many examples; and what one wrong label in ten does to it."""

from typing import Any

import numpy as np

from rote.dynamics import full_rank_probability, parity, recover_parity
from rote.studies._panels import Axis, Line, Panel
from rote.studies._study import Config, MissingCellError, Place, Record, Rows, Scale, one, some

MORE = (-2, -1, 0, 1, 2, 3, 5, 7, 10)
"""Examples beyond n."""
NOISE = (0.0, 0.01, 0.02, 0.05, 0.1)
_SIZES: dict[Scale, dict[str, Any]] = {"quick": {"n": 32, "trials": 400}, "paper": {"n": 128, "trials": 2000}}


def configs(scale: Scale) -> list[Config]:
    """Every number of examples, without noise."""
    return [{**_SIZES[scale], "more": more, "noise": 0.0} for more in MORE]


def noise_configs(scale: Scale) -> list[Config]:
    """Every share of wrong labels, with twice as many examples as coordinates."""
    size = _SIZES[scale]
    return [{**size, "more": size["n"], "noise": noise} for noise in NOISE]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(2e-4 * config["trials"] * (1 + config["n"] / 100))


def cell(config: Config, seed: int, place: Place) -> Record:
    """Random subsets and examples; each label is wrong with a probability of ``noise``.

    Returns:
        Shares of the trials in which elimination says that there is one solution, ``unique``, or none,
        ``refused``; in which what it gives is the planted subset, ``right``; and in which it says one and
        gives another, ``wrong``. And ``foretold``, the probability of success.
    """
    n, trials = config["n"], config["trials"]
    m = n + config["more"]
    rng = np.random.default_rng([seed, n, m, round(1e6 * config["noise"])])
    counts = {"unique": 0, "right": 0, "refused": 0, "wrong": 0}
    for _ in range(trials):
        secret = np.flatnonzero(rng.integers(0, 2, n))
        x = 1 - 2 * rng.integers(0, 2, (m, n))
        y = parity(x, secret) * np.where(rng.random(m) < config["noise"], -1, 1)
        found = recover_parity(x, y)
        right = np.flatnonzero(found.x).tolist() == secret.tolist()
        counts["unique"] += found.kind == "unique"
        counts["refused"] += found.kind == "inconsistent"
        counts["right"] += right and found.kind != "underdetermined"
        counts["wrong"] += found.kind == "unique" and not right
    foretold = full_rank_probability(m, n) * (1 - config["noise"]) ** n
    return {name: count / trials for name, count in counts.items()} | {"foretold": foretold}


def off_the_formula(rows: Rows) -> float:
    """Largest difference of the share of successes from the formula, over numbers of examples."""
    found = [one(rows, more=more) for more in MORE]
    return float(max(abs(r["unique"] - r["foretold"]) for r in found))


def wrong_answers(rows: Rows) -> float:
    """Share of trials in which the only solution was not the planted one, at most."""
    if len(rows) < len(MORE):
        raise MissingCellError("not all numbers of examples have run")
    return max(float(row.record["wrong"]) for row in rows)


def examples_needed(rows: Rows) -> float:
    """Mean number of examples beyond n until the solution is unique: the sum of the shares where it is not.

    It steps over the numbers that were left out by a straight line.
    """
    known = [more for more in MORE if more >= 0]
    shares = [1 - one(rows, more=more)["unique"] for more in known]
    return float(np.interp(np.arange(max(known) + 1), known, shares).sum())


def success(rows: Rows, noise: float) -> float:
    """Share of trials in which the planted subset was found."""
    return float(one(rows, noise=noise)["right"])


def off_the_noise_formula(rows: Rows) -> float:
    """Largest difference of the share of successes from ``(1 - η)^n``, over shares of wrong labels."""
    return float(
        max(abs(one(rows, noise=noise)["right"] - one(rows, noise=noise)["foretold"]) for noise in NOISE)
    )


def noticed(rows: Rows) -> float:
    """Share of trials at the largest noise in which it says that there is no solution."""
    return float(one(rows, noise=NOISE[-1])["refused"])


def panels(rows: Rows) -> list[Panel]:
    """Share of successes over the number of examples."""
    return [_panel(rows, "more", "unique", Axis("examples beyond n"), "Random examples")]


def noise_panels(rows: Rows) -> list[Panel]:
    """Share of successes over the share of wrong labels."""
    axis = Axis("wrong labels", low=0.0, high=max(NOISE), percent=True)
    return [_panel(rows, "noise", "right", axis, "Wrong labels")]


def _panel(rows: Rows, by: str, key: str, x: Axis, title: str) -> Panel:
    seeds = sorted({row.seed for row in rows})
    lines = [
        Line(
            name,
            [
                sorted((float(r.config[by]), float(r.record[what])) for r in rows if r.seed == seed)
                for seed in of
            ],
            style,
        )
        for style, (name, what, of) in enumerate(
            (("measured", key, seeds), ("formula", "foretold", seeds[:1]))
        )
    ]
    n = some(rows)[0].config["n"] if rows else 0
    return Panel(f"{title}, n = {n}", x, Axis("solved", low=0.0, high=1.0, percent=True), lines)
