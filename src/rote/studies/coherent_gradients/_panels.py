"""What the figures draw."""

from collections.abc import Callable, Sequence
from typing import Any

from rote.studies._panels import Axis, Line, Panel, Point, curve
from rote.studies._study import Record, Row, Rows, some
from rote.studies.coherent_gradients._baseline import FIRST, MIXED, NOISE
from rote.studies.coherent_gradients._measures import Way
from rote.studies.coherent_gradients._winsorized import LEVELS

_STEP = Axis("step", "log1p")
_SHARE = Axis("share", low=0.0, high=1.0, percent=True)
_ACCURACY = Axis("accuracy", low=0.0, high=1.0, percent=True)
_CHANCE = (0.1, "chance")


def learning(rows: Rows) -> list[Panel]:
    """Figure 1: accuracies and losses, then what of pristine and corrupt examples is learned by when."""
    panels = [
        Panel(title, _STEP, axis, _by_noise(rows, NOISE, name), reference)
        for title, name, axis, reference in (
            ("(a) Training accuracy", "train_accuracy", _ACCURACY, None),
            ("(b) Test accuracy", "test_accuracy", _ACCURACY, _CHANCE),
            ("(c) Training loss", "train_loss", Axis("mean loss", low=0.0), None),
            ("Test loss", "test_loss", Axis("mean loss", low=0.0), None),
        )
    ]
    for noise in MIXED:
        here = some(rows, noise=noise)
        lines = [
            Line("pristine", [_of(row, "kept_pristine") for row in here], 2),
            Line("corrupt", [_of(row, "kept_corrupt") for row in here], 1),
            Line("p. once", [_of(row, "learned_pristine") for row in here], 5),
            Line("c. once", [_of(row, "learned_corrupt") for row in here], 3),
        ]
        if here:
            panels.append(Panel(f"(d) Learned for good, {noise:.0%} noise", _STEP, _SHARE, lines))
    return panels


def fractions(rows: Rows) -> list[Panel]:
    """Figure 2: the fractions of the step that pristine and corrupt examples make, and null worlds."""
    return _worlds(rows, "sample", _fractions) + _worlds(rows, "population", _fractions)


def per_example(rows: Rows) -> list[Panel]:
    """Figure 3: what the first steps did for a pristine and for a corrupt example, and null worlds."""
    return _worlds(rows, "sample", _per_example)


def per_example_everyone(rows: Rows) -> list[Panel]:
    """Figure 3 over all examples and all weights."""
    return _worlds(rows, "population", _per_example)


def winsorized(rows: Rows) -> list[Panel]:
    """Figure 4: for each c training and test accuracy, and the overfit of all c over the noise."""
    panels = []
    for c in LEVELS:
        here = some(rows, c=c)
        for name, what in (("train_accuracy", "training"), ("test_accuracy", "test")):
            if here:
                panels.append(
                    Panel(f"c = {c}, {what} accuracy", _STEP, _ACCURACY, _by_noise(here, NOISE, name))
                )
    ends = [
        Line(f"c = {c}", [_over_noise(some(rows, c=c), seed) for seed in _seeds(rows)], style)
        for style, c in enumerate(LEVELS)
    ]
    axis = Axis("label noise", low=0.0, high=1.0, percent=True)
    overfit = Axis("training accuracy beyond what the test explains", percent=True)
    return [*panels, Panel("Overfit at the end", axis, overfit, ends, (0.0, "no overfit"))]


def _by_noise(rows: Rows, levels: Sequence[float], name: str) -> list[Line]:
    return [
        Line(f"{noise:.0%}", [_of(row, name) for row in some(rows, noise=noise)], style)
        for style, noise in enumerate(levels)
    ]


def _of(row: Row, name: str) -> list[Point]:
    return curve(row.record["steps"], row.record[name])


Draw = Callable[[Record, Way, int], tuple[list[Point], list[Point], Any]]


def _worlds(rows: Rows, way: Way, draw: Draw) -> list[Panel]:
    """For each noise level the real world and the null ones, side by side."""
    panels = []
    for noise in MIXED:
        here = [row for row in some(rows, noise=noise) if way in row.record]
        worlds = len(here[0].record[way]["f_corrupt"][0]) if here else 0
        for world in range(worlds):
            drawn = [draw(row.record, way, world) for row in here]
            lines = [
                Line("pristine", [pristine for pristine, _, _ in drawn], 2),
                Line("corrupt", [corrupt for _, corrupt, _ in drawn], 1),
            ]
            x, y, reference = drawn[0][2]
            name = "real" if not world else f"null {world}"
            which = "sample" if way == "sample" else "all examples"
            panels.append(Panel(f"{noise:.0%} noise, {name}, {which}", x, y, lines, reference))
    return panels


def _fractions(record: Record, way: Way, world: int) -> tuple[list[Point], list[Point], Any]:
    split = record[way]
    f = [row[world] for row in split["f_corrupt"]]
    pristine = curve(split["steps"], [None if value is None else 1 - value for value in f])
    # Near the end the sum of all gradients is next to nothing, and the fractions of it are of any size.
    axis = Axis("fraction of the step", low=-0.5, high=1.5)
    return pristine, curve(split["steps"], f), (_STEP, axis, (0.5, "one half"))


def _per_example(record: Record, way: Way, world: int) -> tuple[list[Point], list[Point], Any]:
    split = record[way]
    steps = split["steps"][:FIRST]
    pristine, corrupt = ([row[world] for row in split[name]] for name in ("i_pristine", "i_corrupt"))
    return curve(steps, pristine), curve(steps, corrupt), (Axis("step"), Axis("reduction per example"), None)


def _over_noise(rows: Rows, seed: int) -> list[Point]:
    return sorted((row.config["noise"], row.record["overfit"][-1]) for row in rows if row.seed == seed)


def _seeds(rows: Rows) -> list[int]:
    return sorted({row.seed for row in rows})
