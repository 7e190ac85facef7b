"""A study of milliseconds, importable as a user's own: ``toy_study:STUDY``."""

import os
import time
from pathlib import Path

from rote.studies import Axis, Claim, Figure, Line, Panel, Study, above, curve, one


def cell(config, seed, place):
    """Waits where the test says so, and leaves a mark for each run."""
    if marks := os.environ.get("TOY_MARKS"):
        (Path(marks) / f"{config['slope']}-{seed}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
    if config["slope"] == int(os.environ.get("TOY_FAILS", "0")):
        raise RuntimeError("the cell failed")
    steps = list(range(5))
    return {"steps": steps, "values": [config["slope"] * k * (1 + seed / 100) for k in steps]}


def configs(scale):
    return [{"slope": slope} for slope in ((1, 2, 3) if scale == "quick" else (10, 20, 30))]


def panels(rows):
    lines = [
        Line(
            f"slope {style}",
            [curve(r.record["steps"], r.record["values"]) for r in rows if r.config == config],
        )
        for style, config in enumerate([{"slope": 1}, {"slope": 2}])
    ]
    return [Panel("Values", Axis("step"), Axis("value"), lines, (2.0, "two"))]


def rises(rows):
    return one(rows, slope=2)["values"][-1] - one(rows, slope=1)["values"][-1]


RISES = Claim(
    "rises", "It <rises>.", "Nobody 2020, Fig. 1", "last value, slope 2 minus slope 1", above(0.0), rises
)
SINKS = Claim(
    "sinks", "It sinks.", "Nobody 2020, Fig. 1", "the same, with its sign", above(0.0), lambda r: -rises(r)
)
SEEDED = Claim(
    "seeded",
    "It stays.",
    "Nobody 2020, Fig. 2",
    "last value, slope 1, beyond 4.04",
    above(0.0),
    lambda rows: one(rows, slope=1)["values"][-1] - 4.04,
)

STUDY = Study(
    "toy",
    "A toy",
    "Nobody, Nothing much, 2020",
    "https://example.org/toy",
    (
        Figure("fig-1", "Slopes", "Read it so.", cell, configs, panels, (RISES, SINKS)),
        Figure("fig-2", "The first slope", "", cell, lambda scale: configs(scale)[:1], panels, (SEEDED,)),
    ),
    deviations=("Nothing is as in the paper.",),
)
