"""Two edge detectors and their average, exactly."""

import numpy as np
from numpy.typing import NDArray

from rote.dynamics import gabor, orientation_tuning
from rote.studies._panels import Axis, Line, Panel, Pictures, Tile, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one

NAMES = ("upright", "lying", "average")


def configs(scale: Scale) -> list[Config]:
    """Nothing is random and nothing is large: the same at every scale."""
    return [{"size": 11, "wavelength": 7.0, "width": 3.75, "angles": 36}]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Tune an upright edge detector, a lying one, and their average."""
    tuning = orientation_tuning(filters(config), **wave(config), angles=int(config["angles"]))
    return {
        "degrees": np.degrees(tuning.angles).round(6).tolist(),
        "answers": (tuning.responses / tuning.peak[0]).tolist(),
        "selectivity": tuning.selectivity.tolist(),
    }


def wave(config: Config) -> dict[str, float]:
    """What the filters look for."""
    return {name: float(config[name]) for name in ("wavelength", "width")}


def filters(config: Config) -> NDArray[np.float64]:
    """The three filters, shape ``[3, size, size]``.

    Example:
        >>> upright, lying, average = filters(configs("quick")[0])
        >>> bool(np.allclose(upright.T, lying)), bool(np.allclose(2 * average, upright + lying))
        (True, True)
    """
    edges = [gabor(int(config["size"]), angle, **wave(config)) for angle in (0.0, np.pi / 2)]
    return np.stack([*edges, np.mean(edges, axis=0)])


def left(rows: Rows) -> float:
    """Selectivity of the average over that of either."""
    upright, lying, average = one(rows)["selectivity"]
    return float(average / min(upright, lying))


def peak(rows: Rows) -> float:
    """The average's largest answer over that of either."""
    upright, lying, average = (max(each) for each in one(rows)["answers"])
    return float(average / min(upright, lying))


def panels(rows: Rows) -> list[Panel | Pictures]:
    """Answer by orientation; and the filters."""
    if not rows:
        return []
    record, shown = rows[0].record, filters(rows[0].config)
    lines = [
        Line(name, [curve(record["degrees"], answers)], style)
        for style, (name, answers) in enumerate(zip(NAMES, record["answers"], strict=True))
    ]
    title = "Two edge detectors and their average"
    tiles = [Tile(each.tolist(), name) for name, each in zip(NAMES, shown / np.abs(shown).max(), strict=True)]
    return [
        Panel(title, Axis("degrees"), Axis("of the largest", low=0.0, high=1.0), lines),
        Pictures("The filters", tiles, -1, 1, signed=True, across=len(tiles), colours="weight"),
    ]
