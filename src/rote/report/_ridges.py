"""Distributions one above another: how a quantity spreads in each of some groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rote.report._svg import Axis, Box, points, px, svg, text

_ROW, _HIGH = 46, 40


@dataclass(frozen=True)
class Ridge:
    """One row: two distributions over the same steps of the axis.

    Attributes:
        name: What stands beside it.
        filled: Counts in equal steps, drawn as an area.
        outlined: Counts in the same steps, drawn as a line over it; empty for none.
    """

    name: str
    filled: Sequence[int]
    outlined: Sequence[int] = ()


def ridges(
    rows: Sequence[Ridge], x: Axis, *, alt: str, width: float = 440, mark: tuple[float, str] | None = None
) -> Markup:
    """Draw rows from the bottom up, each as high as its own largest count.

    Args:
        rows: The first is drawn lowest, as layers are stacked.
        x: The axis; the counts' steps divide it.
        alt: What is shown, in words.
        width: In pixels.
        mark: A value to mark by a dotted line through all rows, and its name.

    Returns:
        One ``<svg>`` element.

    Example:
        >>> drawn = ridges([Ridge("layer 1", [0, 2, 1])], Axis("accuracy", 0, 1), alt="Most: middle.")
        >>> drawn.count('class="band real"'), "layer 1" in drawn
        (1, True)
    """
    box = Box(96, 26 if mark else 10, width - 14, (26 if mark else 10) + _ROW * len(rows))
    parts = []
    for value in x.ticks():
        here = x.at(value, box.left, box.right)
        parts.append(f'<path class="grid" d="M{px(here)} {px(box.top)}V{px(box.bottom)}"/>')
        parts.append(text(here, box.bottom + 19, x.write(value), "tick", anchor="middle"))
    parts.append(text((box.left + box.right) / 2, box.bottom + 40, x.title, "title", anchor="middle"))
    for i, row in enumerate(rows):
        parts.append(_row(row, x, box, box.bottom - _ROW * i))
    if mark is not None and x.low <= mark[0] <= x.high:
        here = x.at(mark[0], box.left, box.right)
        anchor = "start" if here < (box.left + box.right) / 2 else "end"
        parts.append(f'<path class="reference" d="M{px(here)} {px(box.top - 6)}V{px(box.bottom)}"/>')
        parts.append(text(here, box.top - 12, mark[1], "tick", anchor=anchor))
    return svg(parts, width=width, height=box.bottom + 48, alt=alt)


def _row(row: Ridge, x: Axis, box: Box, base: float) -> str:
    parts = [
        f'<path class="axis" d="M{px(box.left)} {px(base)}H{px(box.right)}"/>',
        text(box.left - 10, base - 6, row.name, "tick", anchor="end"),
        f'<path class="band real" d="M{points(_outline(row.filled, box, base))}z"/>',
    ]
    if any(row.outlined):
        parts.append(f'<path class="line control" d="M{points(_outline(row.outlined, box, base))}"/>')
    return "".join(parts)


def _outline(counts: Sequence[int], box: Box, base: float) -> list[tuple[float, float]]:
    """A histogram's steps, from the first to the last that holds anything, down to the base at both ends."""
    most, step = max([*counts, 1]), (box.right - box.left) / len(counts)
    seen = [i for i, count in enumerate(counts) if count]
    inside = range(seen[0], seen[-1] + 1) if seen else range(0)
    found: list[tuple[float, float]] = []
    if inside:
        found.append((box.left + inside[0] * step, base))
        for i in inside:
            height = base - _HIGH * counts[i] / most
            found += [(box.left + i * step, height), (box.left + (i + 1) * step, height)]
        found.append((box.left + (inside[-1] + 1) * step, base))
    return found or [(box.left, base)]
