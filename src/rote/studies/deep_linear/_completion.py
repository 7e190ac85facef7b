"""Matrix completion by factors: what depth prefers where the data leave a choice."""

from itertools import pairwise
from typing import Any

import numpy as np

from rote.dynamics import complete_matrix
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, MissingCellError, Place, Record, Rows, Scale, one, some

RATES = {1: 0.2, 2: 0.01, 3: 0.004, 4: 0.002}
RANK = 2
_DEPTHS: dict[Scale, tuple[int, ...]] = {"quick": (1, 2, 3), "paper": (1, 2, 3, 4)}
_BASE: dict[str, Any] = {"d": 30, "share": 0.35, "start": 1e-2, "tolerance": 1e-3, "steps": 100_000}


def configs(scale: Scale) -> list[Config]:
    """Every depth; the deepest is for the paper scale."""
    return [{**_BASE, "depth": depth, "rate": RATES[depth]} for depth in _DEPTHS[scale]]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return {1: 0.1, 2: 0.5, 3: 3.0, 4: 10.0}[config["depth"]]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Complete a matrix of rank 2 of which some entries are seen, its entries 1 in root mean square.

    Returns:
        Over ``steps`` the error on ``seen`` and ``unseen`` entries, ``effective_rank`` and ``nuclear_norm``;
        whether it ``converged``.
    """
    d = config["d"]
    rng = np.random.default_rng([seed, d])
    M = rng.standard_normal((d, RANK)) @ rng.standard_normal((RANK, d))
    M *= d / np.linalg.norm(M)
    seen = rng.random((d, d)) < config["share"]
    options = {key: config[key] for key in ("depth", "rate", "start", "tolerance", "steps")}
    found = complete_matrix(M, seen, seed=seed, **options)
    return {
        "steps": found.steps.tolist(),
        "seen": found.seen.tolist(),
        "unseen": found.unseen.tolist(),
        "effective_rank": found.effective_rank.tolist(),
        "nuclear_norm": found.nuclear_norm.tolist(),
        "true_norm": float(np.linalg.norm(M, "nuc")),
        "converged": found.converged,
    }


def _depths(rows: Rows) -> list[int]:
    found = sorted(row.config["depth"] for row in rows)
    if tuple(found) not in _DEPTHS.values():
        raise MissingCellError("not all depths have run")
    return found


def last(rows: Rows, depth: int, what: str) -> float:
    """The last value of a curve."""
    return float(one(rows, depth=depth)[what][-1])


def converged(rows: Rows) -> float:
    """Largest error on the entries seen, over depths."""
    return max(last(rows, depth, "seen") for depth in _depths(rows))


def fall(rows: Rows, what: str) -> float:
    """By how much the last value falls from a depth to the next, at least."""
    ends = [last(rows, depth, what) for depth in _depths(rows)]
    return min(a - b for a, b in pairwise(ends))


def deepest(rows: Rows, what: str) -> float:
    """The last value at the largest depth."""
    return last(rows, _depths(rows)[-1], what)


def _shared(rows: Rows, key: str) -> list[list[tuple[float, float]]]:
    """A curve of each seed, at the steps at which all were looked at: runs end at steps of their own."""
    steps = set.intersection(*(set(row.record["steps"]) for row in rows)) if rows else set()
    return [[(x, y) for x, y in curve(row.record["steps"], row.record[key]) if x in steps] for row in rows]


def panels(rows: Rows) -> list[Panel]:
    """Error on unseen entries, effective rank, nuclear norm."""
    kinds = (
        ("unseen", "Unseen entries", "root mean square error"),
        ("effective_rank", "Effective rank", "exp of the entropy"),
        ("nuclear_norm", "Nuclear norm", "sum of singular values"),
    )
    depths = sorted({row.config["depth"] for row in rows})
    return [
        Panel(
            title,
            Axis("step", "log1p"),
            Axis(y, low=0.0),
            [
                Line(
                    f"N = {depth}",
                    _shared(some(rows, depth=depth), key),
                    depth - 1,
                )
                for depth in depths
            ],
            (float(RANK), "rank") if key == "effective_rank" else None,
        )
        for key, title, y in kinds
    ]
