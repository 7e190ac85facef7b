"""Panels of lines and of pictures, drawn; and several of them as one drawing that stands alone."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from rote.report import _words
from rote.report._figures import Figure
from rote.report._lines import MOST_POINTS, Curve, line_chart, over_seeds, thin
from rote.report._page import _environment
from rote.report._pictures import pictures_figure
from rote.report._svg import Axis, px, svg, text

_WIDTH, _HEIGHT = 348, 250
_WIDE = 2 * _WIDTH + 8
"""Pictures take a row of their own, as wide as two panels."""

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Drawn:
    """One panel or a set of pictures, as it stands on a page.

    Attributes:
        figure: Its drawing and its numbers.
        pictures: Whether it is pictures, which take a row of their own.
        headings: What the columns of its numbers are.
    """

    figure: Figure
    pictures: bool
    headings: tuple[str, ...]


def drawn_panel(panel: Record) -> Drawn:
    """A panel of lines, or pictures, drawn.

    Example:
        >>> shown = {"title": "T", "tiles": [], "low": 0, "high": 1, "signed": False, "across": None}
        >>> drawn_panel(shown | {"x": "", "y": "", "colours": ""}).pictures
        True
    """
    if "tiles" in panel:
        return Drawn(pictures_figure(panel, width=_WIDE), True, ("picture", "lowest", "mean", "highest"))
    return Drawn(panel_figure(panel), False, ("line", "first", "highest", "last"))


def panel_figure(panel: Record) -> Figure:
    """One panel, drawn, and the same in numbers: (line, first, highest, last).

    Example:
        >>> axis = {"title": "x", "kind": "linear", "low": None, "high": None, "percent": False}
        >>> line = {"name": "a", "style": 0, "runs": [[[0, 1.0], [1, 2.0]]]}
        >>> panel = {"title": "T", "x": axis, "y": axis, "lines": [line], "reference": None}
        >>> panel_figure(panel).rows
        (('a', '1', '2 (at 1)', '2'),)
    """
    curves = [found for line in panel["lines"] if (found := _curve(line))]
    x = _axis(panel["x"], [at for curve in curves for at in curve.x])
    reference = panel["reference"]
    heights = [v for curve in curves for v in (*curve.low, *curve.high)]
    y = _axis(panel["y"], [*heights, reference[0]] if reference and heights else heights)
    rows = tuple(_row(curve, y) for curve in curves)
    said = " ".join(f"{name}: from {first} to {last}, at most {most}." for name, first, most, last in rows)
    alt = f"{panel['title']}. {said}" if rows else f"{panel['title']}. Nothing is known."
    drawing = line_chart(
        curves, x, y, alt=alt, width=_WIDTH, height=_HEIGHT, reference=tuple(reference) if reference else None
    )
    return Figure(panel["title"], drawing, rows)


def _curve(line: Record) -> Curve:
    if line.get("band"):
        return _with_band(line)
    runs = [[{"at": at, "value": value} for at, value in run if at is not None] for run in line["runs"]]
    return over_seeds(runs, "at", itemgetter("value"), name=line["name"], css=f"s{line['style'] % 6}")


def _with_band(line: Record) -> Curve:
    """One run, and an interval that was computed rather than spread over seeds."""
    ends = [dict(map(tuple, end)) for end in line["band"]]
    known = [(at, value) for at, value in line["runs"][0] if at is not None and value is not None]
    places = thin(known, MOST_POINTS)
    low, high = (tuple(end.get(at, value) for at, value in places) for end in ends)
    x, mean = (tuple(place[i] for place in places) for i in (0, 1))
    return Curve(line["name"], f"s{line['style'] % 6}", x, mean, low, high, seeds=2)


def _row(curve: Curve, y: Axis) -> tuple[str, str, str, str]:
    def write(value: float) -> str:
        return _words.percent(value, 1) if y.percent else _words.number(value)

    highest = max(curve.mean)
    when = curve.x[curve.mean.index(highest)]
    return (
        curve.name,
        write(curve.mean[0]),
        f"{write(highest)} (at {_words.number(when)})",
        write(curve.mean[-1]),
    )


def _axis(given: Record, values: Sequence[float]) -> Axis:
    """The axis, over the data where its ends are not given."""
    low, high, kind = given["low"], given["high"], given["kind"]
    seen = [v for v in values if kind != "log" or v > 0]
    least, most = (min(seen), max(seen)) if seen else (0.0, 1.0)
    if kind == "linear":
        room = 0.05 * (most - least) or 0.5
        low = (
            (least if given["percent"] or least >= 0 > least - room else least - room) if low is None else low
        )
        high = most + room if high is None else high
    elif kind == "log":
        low = (least / 1.2 if seen else 0.1) if low is None else low
        high = max(most * 1.2, low * 10) if high is None else high
    else:
        low = 0.0 if low is None else low
        high = max(most, 1.0) if high is None else high
    if not low < high:
        high = low + 1
    whole = (
        kind != "log"
        and all(float(v).is_integer() for v in seen)
        and math.isclose(high - low, round(high - low))
    )
    return Axis(given["title"], low, high, kind, given["percent"], whole)


def panels_drawing(title: str, panels: Sequence[Record]) -> str:
    """Panels under their title, three abreast, pictures in rows of their own: an SVG that stands alone.

    Args:
        title: Written above them.
        panels: As records have them; at least one.

    Example:
        >>> axis = {"title": "x", "kind": "linear", "low": None, "high": None, "percent": False}
        >>> line = {"name": "a", "style": 0, "runs": [[[0, 1.0], [1, 2.0]]]}
        >>> panel = {"title": "T", "x": axis, "y": axis, "lines": [line], "reference": None}
        >>> panels_drawing("Two", [panel, panel]).count("<svg")
        3
    """
    environment = _environment()
    style = "".join(environment.get_template(name).render() for name in ("colours.css", "drawing.css"))
    drawn = [drawn_panel(panel) for panel in panels]
    across = min(len(drawn), 3)
    column, rows = _WIDTH + 16, _in_rows(drawn, across)
    parts = ['<rect width="100%" height="100%" style="fill:var(--paper)"/>', '<g class="drawing">']
    parts.append(text(4, 24, title, "name"))
    y = 44.0
    for row in rows:
        tall = max(_height(one) for one in row)
        for i, one in enumerate(row):
            wide = _WIDE if one.pictures else _WIDTH
            parts.append(text(i * column + 4, y + 8, one.figure.title, "name"))
            place = f'x="{i * column}" y="{px(y + 14)}" width="{wide}" height="{px(_height(one))}"'
            parts.append(str(one.figure.drawing).replace("<svg ", f'<svg {place} overflow="visible" ', 1))
        y += tall + 30
    parts.append("</g>")
    whole = svg(
        [f"<style>{style}text{{font-family:sans-serif}}</style>", *parts],
        width=max(_WIDE + 16 if row[0].pictures else len(row) * column for row in rows),
        height=y,
        alt=title,
    )
    return str(whole).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _in_rows(drawn: Sequence[Drawn], across: int) -> list[list[Drawn]]:
    rows: list[list[Drawn]] = []
    for one in drawn:
        if not rows or one.pictures or rows[-1][0].pictures or len(rows[-1]) == across:
            rows.append([])
        rows[-1].append(one)
    return rows


def _height(drawn: Drawn) -> float:
    """As the drawing's own coordinates have it."""
    found = re.match(r'<svg viewBox="0 0 \S+ ([\d.]+)"', drawn.figure.drawing)
    assert found is not None
    return float(found[1])
