"""Gradient descent on parities: dense ones beside elimination, sparse ones and their hidden progress."""

from itertools import pairwise
from typing import Any

import numpy as np

from rote.dynamics import learn_parity, parity, recover_parity
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, MissingCellError, Place, Record, Row, Rows, Scale, one, some

DENSE: dict[Scale, tuple[int, ...]] = {"quick": (8, 10, 12, 14, 24), "paper": (8, 10, 12, 14, 16, 20, 24, 28)}
"""n, of which half are in the parity; the largest is beyond the steps it is given."""
SPARSE: dict[Scale, tuple[tuple[int, int], ...]] = {
    "quick": ((20, 2), (10, 3), (20, 3), (30, 3), (20, 4), (30, 4)),
    "paper": ((20, 2), (40, 2), (10, 3), (20, 3), (30, 3), (40, 3), (60, 3), (20, 4), (30, 4)),
}
_DENSE: dict[Scale, dict[str, Any]] = {
    "quick": {"width": 200, "steps": 8000, "check": 100},
    "paper": {"width": 200, "steps": 150_000, "check": 500},
}
_SPARSE: dict[Scale, dict[str, Any]] = {
    "quick": {"width": 100, "steps": 8000, "check": 25},
    "paper": {"width": 100, "steps": 20_000, "check": 25},
}
_BASE: dict[str, Any] = {"lr": 0.1, "batch": 32, "target": 0.99}
_EXTRA = 10
_STILL = 0.55


def dense_configs(scale: Scale) -> list[Config]:
    """Half of n coordinates."""
    return [{**_BASE, **_DENSE[scale], "n": n, "k": n // 2} for n in DENSE[scale]]


def sparse_configs(scale: Scale) -> list[Config]:
    """Two to four of n coordinates."""
    return [{**_BASE, **_SPARSE[scale], "n": n, "k": k} for n, k in SPARSE[scale]]


def cost(config: Config) -> float:
    """Seconds of one core, at most."""
    dense = 2 * config["k"] == config["n"]
    expected = min(config["steps"], 300 * 2 ** (config["n"] / 3) if dense else 100 * config["n"])
    return float(1.5e-4 * expected)


def cell(config: Config, seed: int, place: Place) -> Record:
    """SGD on new examples at every step, until the target accuracy or the last step; and elimination.

    Returns:
        Over ``steps`` the ``accuracy`` on fresh examples and the mean distance of first-layer weights from
        where they began, ``moved_on`` the coordinates of the parity and ``moved_off`` them; at which step it
        was ``learned``, or None; and whether elimination ``solved`` it from n + 10 examples.
    """
    n, k = config["n"], config["k"]
    options = {key: config[key] for key in ("width", "lr", "batch", "steps", "check", "target")}
    found = learn_parity(n, k, seed=seed, **options).to_dict()
    rng = np.random.default_rng([seed, n, k])
    x = 1 - 2 * rng.integers(0, 2, (n + _EXTRA, n))
    answer = recover_parity(x, parity(x, range(k)))
    solved = answer.kind == "unique" and np.flatnonzero(answer.x).tolist() == list(range(k))
    kept = ("steps", "accuracy", "moved_on", "moved_off", "learned")
    return {key: found[key] for key in kept} | {"solved": solved}


def taken(row: Row) -> int:
    """Steps to the target, or all that there were."""
    learned = row.record["learned"]
    return int(row.config["steps"] if learned is None else learned)


def _whole(rows: Rows, sizes: set[int]) -> None:
    if not sizes <= {row.config["n"] for row in rows}:
        raise MissingCellError("not all numbers of coordinates have run")


def eliminated(rows: Rows) -> float:
    """Share of the dense parities that elimination solves."""
    _whole(rows, set(DENSE["quick"]))
    return float(np.mean([bool(row.record["solved"]) for row in rows]))


def above_chance(rows: Rows) -> float:
    """Accuracy of SGD at the end of all steps above a guess, at the largest n."""
    _whole(rows, set(DENSE["quick"]))
    largest = max(rows, key=lambda row: row.config["n"])
    return float(largest.record["accuracy"][-1] - 0.5)


def dense_growth(rows: Rows) -> float:
    """By what factor the steps grow from a number of coordinates to the next, at least, up to n = 14."""
    found = [some(rows, n=n) for n in DENSE["quick"] if n <= 14]
    if not all(found):
        raise MissingCellError("not all numbers of coordinates have run")
    return min(taken(b[0]) / taken(a[0]) for a, b in pairwise(found))


def more_examples(rows: Rows) -> float:
    """How many times as many examples SGD sees as elimination, at least, over what it learns or not."""
    _whole(rows, set(DENSE["quick"]))
    return float(min(taken(row) * row.config["batch"] / (row.config["n"] + _EXTRA) for row in rows))


def all_learned(rows: Rows) -> float:
    """Share of the sparse parities that were learnt."""
    if len(rows) < len(SPARSE["quick"]):
        raise MissingCellError("not all sparse parities have run")
    return float(np.mean([row.record["learned"] is not None for row in rows]))


def growth_in_n(rows: Rows) -> float:
    """By what factor the steps grow from n to the next at k = 3, at least."""
    found = [some(rows, n=n, k=3) for n in (10, 20, 30)]
    if not all(found):
        raise MissingCellError("not all of k = 3 have run")
    return min(taken(b[0]) / taken(a[0]) for a, b in pairwise(found))


def growth_in_k(rows: Rows) -> float:
    """By what factor the steps grow from k to the next at n = 20, at least."""
    found = [some(rows, n=20, k=k) for k in (2, 3, 4)]
    if not all(found):
        raise MissingCellError("not all of n = 20 have run")
    return min(taken(b[0]) / taken(a[0]) for a, b in pairwise(found))


def still_until(record: Record) -> int | None:
    """Place of the last check after step 0 with an accuracy below 55 %; None if there is none.

    Example:
        >>> still_until({"steps": [0, 5, 10], "accuracy": [0.5, 0.52, 0.8]})
        1
    """
    still = [
        i
        for i, (step, accuracy) in enumerate(zip(record["steps"], record["accuracy"], strict=True))
        if step > 0 and accuracy < _STILL
    ]
    return still[-1] if still else None


def plateau(rows: Rows) -> float:
    """Share of its steps in which nothing is to be seen, the least over k = 3 and 4 at n = 30."""
    found = []
    for k in (3, 4):
        record = one(rows, n=30, k=k)
        at, learned = still_until(record), record["learned"]
        if learned is None:
            return float("nan")
        found.append((record["steps"][at] if at is not None else 0) / learned)
    return float(min(found))


def hidden_progress(rows: Rows) -> float:
    """How much farther weights of the parity have moved at that check, less 1; least of k = 3 and 4."""
    found = []
    for n, k in SPARSE["quick"]:
        if k >= 3 and n >= 20:
            record = one(rows, n=n, k=k)
            at = still_until(record)
            if at is None:
                return float("nan")
            found.append(record["moved_on"][at] / record["moved_off"][at] - 1)
    return float(min(found))


def dense_panels(rows: Rows) -> list[Panel]:
    """Accuracy over steps, and examples seen over n."""
    sizes = sorted({row.config["n"] for row in rows})
    seeds = sorted({row.seed for row in rows})
    accuracy = Axis("accuracy", low=0.4, high=1.0, percent=True)
    lines = [Line(f"n = {n}", [_accuracy(r) for r in some(rows, n=n)], i % 6) for i, n in enumerate(sizes)]
    seen = [
        sorted((float(r.config["n"]), float(taken(r) * r.config["batch"])) for r in rows if r.seed == seed)
        for seed in seeds
    ]
    needed = [[(float(n), float(n + _EXTRA)) for n in sizes]]
    counts = [Line("SGD", seen, 0), Line("elimination", needed, 1)]
    return [
        Panel("Half of n coordinates", Axis("step", "log1p"), accuracy, lines, (0.5, "chance")),
        Panel("Examples seen", Axis("n"), Axis("examples", "log"), counts),
    ]


def _accuracy(row: Row) -> list[tuple[float, float]]:
    """Accuracy over all steps: after the target it stays where it was, as the run ended there."""
    points = curve(row.record["steps"], row.record["accuracy"])
    every = row.config["check"]
    later = range(row.record["steps"][-1] + every, row.config["steps"] + 1, every)
    return [*points, *((step, points[-1][1]) for step in later)]


def sparse_panels(rows: Rows) -> list[Panel]:
    """Accuracy, and what moves meanwhile."""
    accuracy = Axis("accuracy", low=0.4, high=1.0, percent=True)
    pairs = sorted({(row.config["k"], row.config["n"]) for row in rows})
    lines = [
        Line(f"{k} of {n}", [_accuracy(r) for r in some(rows, n=n, k=k)], i) for i, (k, n) in enumerate(pairs)
    ]
    found = [Panel("A few of n coordinates", Axis("step", "log1p"), accuracy, lines[:6], (0.5, "chance"))]
    hidden: list[Line] = []
    for k in (3, 4):
        here = some(rows, n=30, k=k)
        end = min((r.record["steps"][-1] for r in here), default=0)
        for what in ("moved_on", "moved_off"):
            runs = [[(s, v) for s, v in curve(r.record["steps"], r.record[what]) if s <= end] for r in here]
            hidden.append(Line(f"{k}: {'on' if what == 'moved_on' else 'off'}", runs, len(hidden)))
    y = Axis("mean |w - w₀|, first layer", low=0.0)
    return [*found, Panel("Hidden progress, n = 30", Axis("step"), y, hidden)]
