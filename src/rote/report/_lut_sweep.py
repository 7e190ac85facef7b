"""A sweep over networks of lookup tables as a page: k, width and depth, real and random labels."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from rote.errors import InputError
from rote.report import _words
from rote.report._figures import Figure
from rote.report._lines import line_chart, over_seeds
from rote.report._luts import options_in_words
from rote.report._page import _environment
from rote.report._svg import Axis, Kind

SCHEMA = 1
Record = Mapping[str, Any]
_AXES: dict[str, tuple[str, Kind, str]] = {
    "k": ("k, inputs of a lut", "linear", "The size of the tables"),
    "width": ("width, luts in a layer", "log", "The width"),
    "depth": ("depth, hidden layers", "log1p", "The depth"),
}
_PLACE = {"k": 0, "width": 1, "depth": 2}
_CSS = {"real": "real", "random": "control"}
_PANELS = (
    ("Accuracy on training examples", "train_accuracy"),
    ("Accuracy on test examples", "test_accuracy"),
)


def lut_sweep_page(record: Record) -> str:
    """What ``rote lut sweep`` found, as one HTML page that needs nothing but itself.

    Args:
        record: Its cells, schema 1.

    Returns:
        The page; the same record gives the same one, byte for byte.

    Raises:
        InputError: If the record has another schema.

    Example:
        >>> lut_sweep_page({"schema": 0})
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: run the sweep again with this version.
    """
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: run the sweep again with "
            f"this version."
        )
    page = _environment().get_template("lut_sweep.html.j2")
    sections = [
        (
            axis["axis"],
            _AXES[axis["axis"]][2],
            _held(axis, record),
            sweep_figures(record, axis),
            _table(record, axis),
        )
        for axis in record["axes"]
    ]
    return page.render(
        record=record,
        headline=_headline(record),
        sections=sections,
        labels=record["extent"]["labels"],
        options=options_in_words(record["options"]),
    )


def sweep_figures(record: Record, axis: Record) -> list[Figure]:
    """One panel for training and one for test accuracy, with a line for each kind of labels.

    Args:
        record: The sweep's record.
        axis: One of its axes.

    Example:
        >>> cell = {"labels": "real", "k": 2, "width": 8, "depth": 1, "seed": 0}
        >>> cell |= {"train_accuracy": 0.9, "test_accuracy": 0.8}
        >>> record = {"cells": [cell], "extent": {"labels": ["real"]}, "data": {"constant": 0.5}}
        >>> for figure in sweep_figures(record, {"axis": "k", "points": [[2, 8, 1]]}):
        ...     print(figure.title, figure.rows[0][:2])
        Accuracy on training examples ('real', '90.0\u202f%')
        Accuracy on test examples ('real', '80.0\u202f%')
    """
    name, (title, kind, _) = axis["axis"], _AXES[axis["axis"]]
    values = [point[_PLACE[name]] for point in axis["points"]]
    low, high = min(values), max(values)
    low, high = (0 if kind == "log1p" else low), max(high, low + 1)
    found = []
    constant = record["data"]["constant"]
    for heading, key in _PANELS:
        curves = [
            over_seeds(_runs(record, axis, labels), name, itemgetter(key), name=labels, css=_CSS[labels])
            for labels in record["extent"]["labels"]
        ]
        rows = tuple(
            (c.name, *(_words.percent(v, 1) for v in (c.mean[0], max(c.mean), c.mean[-1])))
            for c in curves
            if c
        )
        said = " ".join(
            f"{name}: from {first} to {last}, at most {most}." for name, first, most, last in rows
        )
        least = min([*(v for curve in curves for v in curve.low), constant])
        drawing = line_chart(
            curves,
            Axis(title, low, high, kind, whole=kind == "linear"),
            Axis(heading, min(int(least * 10) / 10, 0.9), 1, percent=True),
            alt=f"{heading}, {title}. {said}",
            width=400,
            height=280,
            reference=(constant, ""),  # the caption says what it is
        )
        found.append(Figure(heading, drawing, rows))
    return found


def _runs(record: Record, axis: Record, labels: str) -> list[list[Record]]:
    """The cells of an axis, a list for each seed."""
    points = {tuple(point) for point in axis["points"]}
    runs: dict[int, list[Record]] = {}
    for cell in record["cells"]:
        if cell["labels"] == labels and (cell["k"], cell["width"], cell["depth"]) in points:
            runs.setdefault(cell["seed"], []).append(cell)
    return list(runs.values())


def _table(record: Record, axis: Record) -> list[tuple[str, ...]]:
    """Rows: the value, then training and test accuracy for each kind of labels, then table bits."""
    rows = []
    for point in axis["points"]:
        row, entries = [_words.number(point[_PLACE[axis["axis"]]])], None
        for labels in record["extent"]["labels"]:
            here = [
                cell
                for cell in record["cells"]
                if cell["labels"] == labels and [cell["k"], cell["width"], cell["depth"]] == list(point)
            ]
            for _, key in _PANELS:
                row.append(_words.percent(sum(cell[key] for cell in here) / len(here), 1))
            entries = here[0]["entries"]
        rows.append((*row, _words.number(entries)))
    return rows


def _held(axis: Record, record: Record) -> str:
    hold = record["extent"]["hold"]
    return ", ".join(f"{name} {_words.number(hold[_PLACE[name]])}" for name in _PLACE if name != axis["axis"])


def _headline(record: Record) -> str:
    name, cells = _words.clip(record["data"]["name"], 40), record["cells"]
    real = [cell for cell in cells if cell["labels"] == "real"]
    if not real:
        most = max(cell["train_accuracy"] for cell in cells)
        return f"Random labels of {name}: up to {_words.percent(most, 1)} are memorised"
    best = max(_means(real), key=lambda found: found[1])
    k, width, depth = best[0]
    return f"{name}: {_words.percent(best[1], 1)} of test examples at k {k}, width {width}, depth {depth}"


def _means(cells: Sequence[Record]) -> list[tuple[tuple[int, int, int], float]]:
    """Mean test accuracy over seeds at each point."""
    found: dict[tuple[int, int, int], list[float]] = {}
    for cell in cells:
        found.setdefault((cell["k"], cell["width"], cell["depth"]), []).append(cell["test_accuracy"])
    return [(point, sum(values) / len(values)) for point, values in found.items()]
