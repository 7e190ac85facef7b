"""What the networks did and rested on, as curves."""

from collections.abc import Mapping, Sequence

from rote.studies._panels import Axis, Line, Panel, Pictures, Point, curve
from rote.studies._study import Row, Rows, some
from rote.studies.simplicity_bias import _plane
from rote.studies.simplicity_bias._stripes import BINS

SHARE = Axis("accuracy", low=0.4, high=1.0, percent=True)
LAYERS = ("layer 1", "layer 2", "output")


def held(runs: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """Curves made equally long: those that stopped go on flat, so that no mean jumps where a seed ends.

    Example:
        >>> held([[(0, 0.5), (1, 1.0)], [(0, 0.5), (1, 0.7), (2, 0.9)]])
        [[(0, 0.5), (1, 1.0), (2, 1.0)], [(0, 0.5), (1, 0.7), (2, 0.9)]]
    """
    longest = max(runs, key=len, default=[])
    return [[*run, *((x, run[-1][1]) for x, _ in longest[len(run) :])] for run in runs if run]


def line(name: str, rows: Rows, x: str, y: str, style: int) -> Line:
    """One quantity over training, one curve a seed."""
    return Line(name, held([curve(row.record[x], row.record[y]) for row in rows]), style)


def _panel(
    title: str, rows: Rows, x: Axis, names: Mapping[str, str], reference: tuple[float, str] | None
) -> list[Panel]:
    """Lines of several quantities, by key and name; none without rows."""
    if not rows:
        return []
    lines = [line(name, rows, x.title, key, style) for style, (key, name) in enumerate(names.items())]
    return [Panel(title, x, SHARE, lines, reference)]


def stripes(rows: Rows) -> list[Panel | Pictures]:
    """Accuracy on both sides, what the right one rests on, where units look; and the plane as pictures."""
    names = {"left": "left", "right": "right", "weaker": "weaker"}
    lines = [
        line(name, some(rows, side=side), "step", "accuracy", style)
        for style, (side, name) in enumerate(names.items())
        if some(rows, side=side)
    ]
    found: list[Panel | Pictures] = []
    if lines:
        found.append(Panel("Three data sets", Axis("step"), SHARE, lines, (0.95, "")))
    right = {"accuracy": "as it is", "rest_accuracy": "no stripes", "randomised_accuracy": "no plane"}
    found += _panel("Right: what it rests on", some(rows, side="right"), Axis("step"), right, (0.95, ""))
    for side in ("left", "right"):
        here = some(rows, side=side)
        if here:
            found.append(_directions(side, here))
    return [*found, *_plane.pictures(rows, ("left", "right"))]


def _directions(side: str, rows: Sequence[Row]) -> Panel:
    angles = [180 * i / BINS - 90 for i in range(BINS + 1)]

    def runs(when: str, layer: int) -> list[list[Point]]:
        shares = [row.record[when]["directions"][layer] for row in rows]
        return [curve(angles, [*each, each[0]]) for each in shares]

    lines = [Line("start", runs("start", 0), 3)]
    lines += [Line(name, runs("end", layer), layer) for layer, name in enumerate(LAYERS)]
    return Panel(
        f"{side.capitalize()}: where units look",
        Axis("degrees from across the stripes", low=-90, high=90),
        Axis("share of squared gradient", low=0.0, percent=True),
        lines,
    )


def slabs(rows: Rows) -> list[Panel]:
    """Accuracy as it is, without the simple coordinate, and without all others."""
    kinds = {"lms-5": "LMS-5", "ms-5-7": "MS-(5,7)", "lms-hat-7": "LMS-hat-7", "ms-7": "MS-7"}
    names = {"accuracy": "as it is", "rest_accuracy": "no others", "randomised_accuracy": "no simple"}
    found = []
    for data, title in kinds.items():
        shown = {"train": "training", **names} if "hat" in data else names
        if data == "ms-7":  # none of its coordinates is simpler
            shown = {"train": "training", "accuracy": "test"}
        reference = (0.95, "") if "hat" in data else None
        found += _panel(title, some(rows, data=data), Axis("step"), shown, reference)
    return found


def dominoes(rows: Rows) -> list[Panel]:
    """Accuracy as it is and without either half, and of the lower half by itself."""
    names = {"accuracy": "as it is", "rest_accuracy": "no CIFAR", "randomised_accuracy": "no MNIST"}
    found = []
    for name in sorted({row.config["name"] for row in rows}):
        both, alone = (some(rows, name=name, upper=upper) for upper in (True, False))
        found += _panel(f"Dominoes {name.upper()}", both, Axis("epoch"), names, (0.5, "chance"))
        own = {"train": "training", "accuracy": "test"}
        found += _panel(f"CIFAR-10 half of {name.upper()} alone", alone, Axis("epoch"), own, (0.5, "chance"))
    return found
