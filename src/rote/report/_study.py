"""A study as a page: each figure beside what it was to show, and how it came out."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from rote.errors import InputError
from rote.report import _words
from rote.report._figures import Figure
from rote.report._ledger import found_in_words
from rote.report._lines import Curve, line_chart, over_seeds
from rote.report._page import _environment
from rote.report._pictures import pictures_figure
from rote.report._svg import Axis, px, svg, text

SCHEMA = 1
_WIDTH, _HEIGHT = 348, 250
_WIDE = 2 * _WIDTH + 8
"""Pictures take a row of their own, as wide as two panels."""
Record = Mapping[str, Any]


def study_page(record: Record) -> str:
    """The study as one HTML page that needs nothing but itself: no network, no script, no other file.

    Args:
        record: What :func:`rote.studies.run_study` found, schema 1.

    Returns:
        The page; the same record gives the same one, byte for byte.

    Raises:
        InputError: If the record has another schema.

    Example:
        >>> study_page({"schema": 0})
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: run the study again with this version.
    """
    _check(record)
    drawn = [
        (figure, [drawn_panel(panel) for panel in figure["panels"]], [_shown(c) for c in figure["claims"]])
        for figure in record["figures"]
    ]
    page = _environment().get_template("study.html.j2")
    return page.render(record=record, drawn=drawn, seeds=_seeds(record["seeds"]))


def study_drawings(record: Record) -> dict[str, str]:
    """Each figure of a study as an SVG file that stands alone: ``{figure's name: its text}``.

    Args:
        record: As for :func:`study_page`.

    Example:
        >>> study_drawings({"schema": 1, "figures": [{"name": "fig-1", "title": "T", "panels": []}]})
        {}
    """
    _check(record)
    environment = _environment()
    style = "".join(environment.get_template(name).render() for name in ("colours.css", "drawing.css"))
    return {figure["name"]: _sheet(figure, style) for figure in record["figures"] if figure["panels"]}


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
    runs = [[{"at": at, "value": value} for at, value in run if at is not None] for run in line["runs"]]
    return over_seeds(runs, "at", itemgetter("value"), name=line["name"], css=f"s{line['style'] % 6}")


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


@dataclass(frozen=True)
class Shown:
    """One claim as it stands on the page.

    Attributes:
        claim: Its record.
        found: Its value and interval.
        expected: Where it should lie.
        each: Its value for each seed.
    """

    claim: Record
    found: str
    expected: str
    each: str


def _shown(claim: Record) -> Shown:
    def write(value: float | None) -> str:
        return _words.percent(value, 1) if claim["percent"] else _words.number(value)

    return Shown(
        claim, found_in_words(claim), claim["expected"], ", ".join(write(value) for value in claim["values"])
    )


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) < 4:
        return ", ".join(map(str, seeds))
    return f"{seeds[0]} to {seeds[-1]}"


def _sheet(figure: Record, style: str) -> str:
    """All panels of a figure, three abreast, under its title; pictures in rows of their own."""
    drawn = [drawn_panel(panel) for panel in figure["panels"]]
    across = min(len(drawn), 3)
    column, rows = _WIDTH + 16, _in_rows(drawn, across)
    parts = ['<rect width="100%" height="100%" style="fill:var(--paper)"/>', '<g class="drawing">']
    parts.append(text(4, 24, figure["title"], "name"))
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
        alt=figure["title"],
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


def _check(record: Record) -> None:
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: "
            f"run the study again with this version."
        )
