"""Two edge detectors and their average, exactly."""

import numpy as np

from rote.dynamics import gabor, orientation_tuning
from rote.studies._panels import Axis, Line, Panel, curve
from rote.studies._study import Config, Place, Record, Rows, Scale, one

NAMES = ("upright", "lying", "average")


def configs(scale: Scale) -> list[Config]:
    """Nothing is random and nothing is large: the same at every scale."""
    return [{"size": 11, "wavelength": 7.0, "width": 3.75, "angles": 36}]


def cell(config: Config, seed: int, place: Place) -> Record:
    """Tune an upright edge detector, a lying one, and their average."""
    wave = {"wavelength": config["wavelength"], "width": config["width"]}
    edges = [gabor(int(config["size"]), angle, **wave) for angle in (0.0, np.pi / 2)]
    tuning = orientation_tuning([*edges, np.mean(edges, axis=0)], **wave, angles=int(config["angles"]))
    return {
        "degrees": np.degrees(tuning.angles).round(6).tolist(),
        "answers": (tuning.responses / tuning.peak[0]).tolist(),
        "selectivity": tuning.selectivity.tolist(),
    }


def left(rows: Rows) -> float:
    """Selectivity of the average over that of either."""
    upright, lying, average = one(rows)["selectivity"]
    return float(average / min(upright, lying))


def peak(rows: Rows) -> float:
    """The average's largest answer over that of either."""
    upright, lying, average = (max(each) for each in one(rows)["answers"])
    return float(average / min(upright, lying))


def panels(rows: Rows) -> list[Panel]:
    """Answer by orientation."""
    if not rows:
        return []
    record = rows[0].record
    lines = [
        Line(name, [curve(record["degrees"], answers)], style)
        for style, (name, answers) in enumerate(zip(NAMES, record["answers"], strict=True))
    ]
    title = "Two edge detectors and their average"
    return [Panel(title, Axis("degrees"), Axis("of the largest", low=0.0, high=1.0), lines)]
