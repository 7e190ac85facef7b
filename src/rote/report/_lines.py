"""Line charts: a line and a band over seeds for each curve, named where it ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from markupsafe import Markup

from rote.report._svg import Axis, Box, frame, points, px, svg, text
from rote.report._words import known

MOST_POINTS = 160
_GUTTER = 66  # for the names at the lines' ends
_LINE_HEIGHT = 15
# Each kind of curve has its colour, its dashes and its marker, so that none of them is needed.
_MARKERS = {
    "real": "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0",
    "control": "m-3.5 -3.5h7v7h-7z",
    "pristine": "m0 -4.5l4 7.5h-8z",
    "corrupt": "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
    "s0": "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0",
    "s1": "m-3.5 -3.5h7v7h-7z",
    "s2": "m0 -4.5l4 7.5h-8z",
    "s3": "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
    "s4": "m0 4.5l4 -7.5h-8z",
    "s5": "m-4 -1.5h8v3h-8z",
}


@dataclass(frozen=True)
class Curve:
    """One quantity over epochs or steps, over all seeds.

    Attributes:
        name: As written at its end.
        css: ``real``, ``control``, ``pristine``, ``corrupt``, ``s0`` … ``s5``: its colour, dashes, marker.
        x: Positions, ascending.
        mean: Mean over seeds at each position.
        low: Smallest over seeds.
        high: Largest over seeds.
        seeds: The largest number of seeds at any position.
    """

    name: str
    css: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int

    def __bool__(self) -> bool:
        return bool(self.x)


def over_seeds(
    runs: Sequence[Sequence[Mapping[str, Any]]],
    at: str,
    value: Callable[[Mapping[str, Any]], float | None],
    *,
    name: str,
    css: str,
) -> Curve:
    """Gather a quantity from one list of records per seed; unknown values are left out.

    Args:
        runs: For each seed, its records.
        at: Key of the position: ``epoch`` or ``step``.
        value: Reads the quantity from a record.
        name: As written at the curve's end.
        css: Kind of curve.

    Returns:
        The curve, thinned to at most ``MOST_POINTS`` positions; false where nothing is known.

    Example:
        >>> runs = [[{"epoch": 1, "a": 0.5}], [{"epoch": 1, "a": 0.7}, {"epoch": 2, "a": None}]]
        >>> curve = over_seeds(runs, "epoch", lambda r: r["a"], name="given", css="real")
        >>> curve.x, curve.low, curve.high, curve.seeds
        ((1,), (0.5,), (0.7,), 2)
    """
    found: dict[float, list[float]] = {}
    for run in runs:
        for record in run:
            here = known(value(record))
            if here is not None:
                found.setdefault(record[at], []).append(here)
    x = thin(sorted(found), MOST_POINTS)
    return Curve(
        name,
        css,
        tuple(x),
        tuple(sum(found[k]) / len(found[k]) for k in x),
        tuple(min(found[k]) for k in x),
        tuple(max(found[k]) for k in x),
        max((len(values) for values in found.values()), default=0),
    )


T = TypeVar("T")


def thin(values: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the values, evenly chosen, the first and the last among them.

    Example:
        >>> thin(range(10), 4)
        [0, 3, 6, 9]
    """
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def line_chart(
    curves: Sequence[Curve],
    x: Axis,
    y: Axis,
    *,
    alt: str,
    width: float = 348,
    height: float = 250,
    reference: tuple[float, str] | None = None,
) -> Markup:
    """Draw curves with their bands.

    Args:
        curves: What to draw; each is known by colour, dashes, marker and name.
        x: Horizontal axis.
        y: Vertical axis.
        alt: What the chart shows, in words.
        width: In pixels, about those of a phone.
        height: In pixels.
        reference: A value of ``y`` to mark with a dotted line, and its name.

    Returns:
        One ``<svg>`` element.

    Example:
        >>> curve = Curve("given", "real", (1, 2), (0.5, 0.9), (0.4, 0.9), (0.6, 0.9), 2)
        >>> drawn = line_chart([curve], Axis("epoch", 1, 2), Axis("accuracy", 0, 1), alt="It rises.")
        >>> drawn.count('class="line real"'), "given" in drawn
        (1, True)
    """
    box = Box(48, 34, width - _GUTTER, height - 46)
    parts = [frame(x, y, box)]
    if reference is not None:
        value, words = reference
        level = y.at(value, box.bottom, box.top)
        parts.append(f'<path class="reference" d="M{px(box.left)} {px(level)}H{px(box.right)}"/>')
        parts.append(text(box.left + 6, level - 5, words, "tick"))
    drawn = [curve for curve in curves if curve]
    for curve in drawn:
        parts.append(_curve(curve, x, y, box))
    parts.append(_names(drawn, y, box))
    return svg(parts, width=width, height=height, alt=alt)


def _curve(curve: Curve, x: Axis, y: Axis, box: Box) -> str:
    across = [x.at(value, box.left, box.right) for value in curve.x]

    def place(values: Sequence[float]) -> list[tuple[float, float]]:
        heights = [y.at(value, box.bottom, box.top) for value in values]
        return list(zip(across, heights, strict=True))

    middle = place(curve.mean)
    parts = []
    if curve.seeds > 1:
        edge = place(curve.high) + place(curve.low)[::-1]
        parts.append(f'<path class="band {curve.css}" d="M{points(edge)}z"/>')
    parts.append(f'<path class="line {curve.css}" d="M{points(middle)}"/>')
    marks = "".join(f"M{px(a)} {px(b)}{_MARKERS[curve.css]}" for a, b in thin(middle, 5))
    parts.append(f'<path class="mark {curve.css}" d="{marks}"/>')
    return "".join(parts)


def _names(curves: Sequence[Curve], y: Axis, box: Box) -> str:
    """The curves' names at their ends, moved apart where they would lie on each other."""
    wanted = sorted((y.at(curve.mean[-1], box.bottom, box.top), i) for i, curve in enumerate(curves))
    heights: list[float] = []
    for height, _ in wanted:
        heights.append(max(height, heights[-1] + _LINE_HEIGHT) if heights else height)
    over = heights[-1] - box.bottom if heights else 0.0
    if over > 0:
        heights = [max(box.top, height - over) for height in heights]
        for i in range(len(heights) - 2, -1, -1):
            heights[i] = min(heights[i], heights[i + 1] - _LINE_HEIGHT)
    parts = []
    for (_, i), height in zip(wanted, heights, strict=True):
        parts.append(text(box.right + 8, height + 4, curves[i].name, f"name {curves[i].css}"))
    return "".join(parts)
