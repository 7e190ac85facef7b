"""What coherence over training looked like."""

from collections.abc import Sequence
from functools import partial

from rote.studies._panels import Axis, Line, Panel, Point, curve
from rote.studies._study import Row, Rows, some
from rote.studies.m_coherence._claims import peak

LABELS = {0.0: "real", 0.5: "50 %", 1.0: "random"}
_STEP = Axis("step", "log1p")
_LIMIT = (1.0, "orthogonal")


def panels(rows: Rows) -> list[Panel]:
    """m-coherence of the network and three of its layers, α, and what was learned meanwhile."""
    found = []
    for key, title in (
        ("m_coherence", "Whole network"),
        ("first_m_coherence", "First layer"),
        ("middle_m_coherence", "Middle layer"),
        ("last_m_coherence", "Last layer"),
    ):
        found.append(Panel(title, _STEP, Axis("m-coherence", "log"), _lines(rows, key), _LIMIT))
    found.append(Panel("Coherence", _STEP, Axis("α", "log"), _lines(rows, "alpha")))
    for key, title in (("train", "Training accuracy"), ("test", "Test accuracy")):
        axis = Axis("accuracy", low=0.0, high=1.0, percent=True)
        found.append(Panel(title, _STEP, axis, _lines(rows, key)))
    return found


def sweep_panels(rows: Rows, *, of: str) -> list[Panel]:
    """The peak over width or depth, and m-coherence over training at each of them."""
    sizes = sorted({tuple(row.config["size"]) for row in rows}, key=partial(_size, of=of))
    seeds = sorted({row.seed for row in rows})
    lines = []
    for style, (noise, name) in enumerate(LABELS.items()):
        runs = [_peaks(some(rows, noise=noise), seed, of) for seed in seeds]
        if any(runs):
            lines.append(Line(name, runs, style))
    found = [Panel(f"Peak over {of}", Axis(of, "log"), Axis("m-coherence", "log"), lines, _LIMIT)]
    for size in sizes:
        here = some(rows, size=list(size))
        axis = Axis("m-coherence", "log")
        found.append(
            Panel(f"{of.capitalize()} {_size(size, of=of)}", _STEP, axis, _lines(here, "m_coherence"), _LIMIT)
        )
    return found


def _peaks(rows: Sequence[Row], seed: int, of: str) -> list[Point]:
    points = [(float(_size(r.config["size"], of=of)), peak(r.record)[1]) for r in rows if r.seed == seed]
    return sorted(points)


def _size(hidden: Sequence[int], *, of: str) -> int:
    return int(hidden[0]) if of == "width" else len(hidden)


def _lines(rows: Rows, key: str) -> list[Line]:
    found = []
    for style, (noise, name) in enumerate(LABELS.items()):
        runs = [curve(row.record["step"], row.record[key]) for row in some(rows, noise=noise)]
        if runs:
            found.append(Line(name, runs, style))
    return found
