"""Where descent ends: at the solution nearest to its start."""

from typing import Any

import numpy as np

from rote.dynamics import Descent, descend, minimum_norm, single_example_sgd, spectrum
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one, some
from rote.studies.linear_regression._problem import Floats, log10, log10_of, looks, problem

METHODS, STARTS = ("descent", "sgd"), ("zero", "random")
_SIZES: dict[Scale, dict[str, Any]] = {
    "quick": {"n": 30, "d": 100, "passes": 500},
    "paper": {"n": 300, "d": 1000, "passes": 500},
}


def configs(scale: Scale) -> list[Config]:
    """Both methods from both starts."""
    return [{**_SIZES[scale], "method": method, "start": start} for method in METHODS for start in STARTS]


def cost(config: Config) -> float:
    """Seconds of one core."""
    return float(1e-5 * config["passes"] * (config["n"] if config["method"] == "sgd" else 2))


def cell(config: Config, seed: int, place: Place) -> Record:
    """Descent on all examples at a rate of 1/λmax, or on one at a time at 1/max‖x‖².

    Returns:
        ``passes`` and ``error``, log₁₀ of the distance to the foretold end over that at the start; and of the
        last iterate: its ``distance`` as the last of these, how far it ``strayed`` from start plus row space,
        its ``norm`` over that of the least solution, and ``apart``, how far from that it is, over the part of
        the start that is off the row space (None from 0).
    """
    X, y, w0 = problem(config, seed)
    if config["start"] == "zero":
        w0 = np.zeros_like(w0)
    found, a_pass = _run(config, X, y, w0, seed)
    least, off = minimum_norm(X, y), _off_the_rows(X, w0)
    at = looks(len(found.errors) - 1)
    move = found.w - w0
    return {
        "passes": [step / a_pass for step in at],
        "error": log10(found.errors[at] / found.errors[0]),
        "distance": float(found.errors[-1] / found.errors[0]),
        "strayed": float(np.linalg.norm(_off_the_rows(X, move)) / np.linalg.norm(move)),
        "norm": float(np.linalg.norm(found.w) / np.linalg.norm(least)),
        "apart": float(np.linalg.norm(found.w - least) / np.linalg.norm(off)) if off.any() else None,
    }


def _run(config: Config, X: Floats, y: Floats, w0: Floats, seed: int) -> tuple[Descent, int]:
    """The run, and how many steps a pass over the examples has."""
    if config["method"] == "descent":
        rate = 1 / float(spectrum(X).eigenvalues[0])
        return descend(X, y, rate=rate, steps=config["passes"], w0=w0), 1
    rate, steps = 1 / float((X**2).sum(1).max()), config["passes"] * len(X)
    return single_example_sgd(X, y, rate=rate, steps=steps, w0=w0, seed=seed), len(X)


def _off_the_rows(X: Floats, w: Floats) -> Floats:
    """The part of w that is orthogonal to every row."""
    Q = np.linalg.qr(X.T)[0]
    off: Floats = w - Q @ (Q.T @ w)
    return off


def farthest(rows: Rows, start: str) -> float:
    """log₁₀ of the last distance to the foretold end over the first, the larger of the two methods."""
    found = [one(rows, method=method, start=start)["distance"] for method in METHODS]
    return log10_of(max(found))


def excess_norm(rows: Rows) -> float:
    """log₁₀ of the share by which the norm reached from 0 differs from the least, the larger of the two."""
    return log10_of(max(abs(one(rows, method=method, start="zero")["norm"] - 1) for method in METHODS))


def strayed(rows: Rows) -> float:
    """log₁₀ of the largest share of the whole way that went out of the row space."""
    found = [one(rows, method=method, start=start)["strayed"] for method in METHODS for start in STARTS]
    return log10_of(max(found))


def remembered(rows: Rows) -> float:
    """log₁₀ of the share by which the distance to the least solution differs from what is off the rows."""
    return log10_of(max(abs(one(rows, method=method, start="random")["apart"] - 1) for method in METHODS))


def panels(rows: Rows) -> list[Panel]:
    """Distance to the foretold end, from both starts."""
    y = Axis("log₁₀ of the distance, relative")
    return [
        Panel(
            f"From {'0' if start == 'zero' else 'a random start'}",
            Axis("passes over the examples"),
            y,
            [
                Line(
                    name,
                    [
                        curve(row.record["passes"], row.record["error"])
                        for row in some(rows, method=name, start=start)
                    ],
                    style,
                )
                for style, name in enumerate(METHODS)
            ],
        )
        for start in STARTS
    ]
