"""What the optimizers' training looked like."""

from collections.abc import Sequence

from rote.studies._panels import Axis, Line, Panel, Point, curve
from rote.studies._study import Rows, some

ARMS = {
    "momentum": "SGD-m",
    "sgd": "SGD",
    "wide": "SGD 3b",
    "ra3": "RA3",
    "rm3": "RM3",
    "m3": "M3",
}
"""Each optimizer's name at the end of its line, in the order of the styles."""
PARTS = (
    ("train", "all training examples"),
    ("pristine", "true labels"),
    ("corrupt", "wrong labels fitted"),
    ("test", "test examples"),
)


def panels(rows: Rows) -> list[Panel]:
    """Accuracy over epochs, for each part of the examples, without and with noise."""
    found = []
    for noise in sorted({row.config["noise"] for row in rows}):
        for part, title in PARTS:
            lines = [
                Line(name, runs, style)
                for style, (arm, name) in enumerate(ARMS.items())
                if (runs := _runs(rows, arm, noise, part))
            ]
            # Without noise the pristine part is the whole, and there is no other.
            if lines and (noise or part in ("train", "test")):
                axis = Axis("accuracy", low=0.0, high=1.0, percent=True)
                found.append(Panel(f"{100 * noise:g} % noise: {title}", Axis("epoch"), axis, lines))
    return found


def _runs(rows: Rows, arm: str, noise: float, part: str) -> Sequence[Sequence[Point]]:
    here = some(rows, optimizer=arm, noise=noise)
    return [curve(row.record["epoch"], row.record[part]) for row in here]
