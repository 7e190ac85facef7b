"""Layers by steps, as a heat map of m-coherence."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from rote.report._lines import thin
from rote.report._svg import px, svg, text
from rote.report._words import clean, known, number, short

MOST_LAYERS = 60
MOST_STEPS = 36
LEVELS = 6
_LEFT, _TOP, _RIGHT = 134, 26, 10
_LETTERS = 18  # of a name, that there is room for
_SERIES = (
    (1, 2, 3, 5, 8, 12),
    (1, 2, 5, 10, 20, 50),
    (1, 3, 10, 30, 100, 300),
    (1, 10, 100, 1000, 10_000, 100_000),
)

Runs = Sequence[Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Grid:
    """Mean m-coherence over seeds.

    Attributes:
        layers: Names, in the model's order.
        steps: Ascending.
        values: ``values[layer][step]``, None where unknown.
        left_out: Layers of the model that are not here.
    """

    layers: tuple[str, ...]
    steps: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    left_out: int


def gather(runs: Runs) -> Grid:
    """Mean over seeds of each layer's m-coherence at each step.

    Of more than ``MOST_LAYERS`` layers those stay that hold the largest share of the squared gradient.

    Args:
        runs: For each seed, the records of ``record["coherence"]``.

    Returns:
        The grid; without layers or steps where nothing was measured.

    Example:
        >>> layer = {"m_coherence": 3.0, "share": 1.0}
        >>> gather([[{"step": 1, "layers": {"fc": layer}}]]).values
        ((3.0,),)
    """
    found: dict[str, dict[int, list[float]]] = {}
    share: dict[str, float] = {}
    for run in runs:
        for record in run:
            for name, layer in record["layers"].items():
                value = known(layer["m_coherence"])
                steps = found.setdefault(name, {})
                share[name] = share.get(name, 0.0) + (known(layer.get("share")) or 0.0)
                if value is not None:
                    steps.setdefault(record["step"], []).append(value)
    largest = set(sorted(found, key=lambda name: -share[name])[:MOST_LAYERS])
    layers = tuple(name for name in found if name in largest)
    every = sorted({step for name in layers for step in found[name]})
    steps_shown = tuple(thin(every, MOST_STEPS))
    rows = (tuple(_mean(found[name].get(step)) for step in steps_shown) for name in layers)
    return Grid(layers, steps_shown, tuple(rows), len(found) - len(layers))


def breaks(grids: Sequence[Grid]) -> tuple[float, ...]:
    """Lower limits of the colour levels: round numbers from 1 on that reach the largest value.

    Example:
        >>> breaks([Grid(("fc",), (0,), ((40.0,),), 0)])
        (1, 2, 5, 10, 20, 50)
    """
    largest = max((v for g in grids for row in g.values for v in row if v is not None), default=1.0)
    return next((series for series in _SERIES if largest < series[-1] * 2), _SERIES[-1])


def level(value: float | None, limits: Sequence[float]) -> str:
    """CSS class of a value: ``q0`` below 1 up to ``q6``, or ``unknown``.

    Example:
        >>> level(0.9, (1, 2, 5)), level(1.0, (1, 2, 5)), level(None, (1, 2, 5))
        ('q0', 'q1', 'unknown')
    """
    return "unknown" if value is None else f"q{bisect.bisect_right(limits, value)}"


def legend(limits: Sequence[float]) -> list[tuple[str, str]]:
    """Each colour level and the values it stands for.

    Example:
        >>> legend((1, 2))
        [('q0', 'below 1'), ('q1', '1–2'), ('q2', '2 or more')]
    """
    inner = [f"{short(a)}–{short(b)}" for a, b in pairwise(limits)]
    names = ["below 1", *inner, f"{short(limits[-1])} or more"]
    return [(f"q{i}", name) for i, name in enumerate(names)]


def heat_map(grid: Grid, limits: Sequence[float], *, alt: str, width: float = 400) -> Markup:
    """Draw the grid: one row per layer, one column per step.

    Args:
        grid: What to draw.
        limits: Lower limits of the colour levels, of both heat maps that stand side by side.
        alt: What the map shows, in words.
        width: In pixels.

    Returns:
        One ``<svg>`` element.

    Example:
        >>> drawn = heat_map(Grid(("fc",), (0, 1), ((40.0, None),), 0), (1, 2, 5), alt="")
        >>> drawn.count('class="q3"'), drawn.count('class="unknown"')
        (1, 1)
    """
    row = min(30.0, max(15.0, 220 / max(len(grid.layers), 1)))
    column = (width - _LEFT - _RIGHT) / max(len(grid.steps), 1)
    bottom = _TOP + row * len(grid.layers)
    parts = [text(4, 14, "layer", "title")]
    for i, (name, values) in enumerate(zip(grid.layers, grid.values, strict=True)):
        top = _TOP + i * row
        parts.append(
            text(
                _LEFT - 8,
                top + row / 2 + 4,
                _ending(name),
                "tick",
                anchor="end",
                tip=name if len(name) > _LETTERS else "",
            )
        )
        classes = [level(value, limits) for value in values]
        parts += _row(classes, top, row - 1, column)
    taken = -100.0
    for i, step in enumerate(grid.steps):
        middle = _LEFT + (i + 0.5) * column
        words = number(step)
        if middle - 4 * len(words) > taken + 6:
            parts.append(f'<path class="axis" d="M{px(middle)} {px(bottom)}v4"/>')
            parts.append(text(middle, bottom + 17, words, "tick", anchor="middle"))
            taken = middle + 4 * len(words)
    parts.append(text((_LEFT + width) / 2, bottom + 35, "step of training", "title", anchor="middle"))
    return svg(parts, width=width, height=bottom + 42, alt=alt)


def _row(classes: Sequence[str], top: float, height: float, column: float) -> list[str]:
    """Rectangles of one row; neighbours of one level become one."""
    parts, start = [], 0
    for end in range(1, len(classes) + 1):
        if end == len(classes) or classes[end] != classes[start]:
            width = px((end - start) * column + 0.2)
            place = f'x="{px(_LEFT + start * column)}" y="{px(top)}" width="{width}"'
            parts.append(f'<rect class="{classes[start]}" {place} height="{px(height)}"/>')
            start = end
    return parts


def _ending(name: str) -> str:
    """The end of a long name: it is what tells layers apart."""
    return name if len(name) <= _LETTERS else "…" + clean(name)[1 - _LETTERS :]


def _mean(values: Sequence[float] | None) -> float | None:
    return sum(values) / len(values) if values else None
