"""A study as a page: each figure beside what it was to show, and how it came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rote.errors import InputError
from rote.report import _words
from rote.report._ledger import found_in_words
from rote.report._page import _environment
from rote.report._panels import drawn_panel, panels_drawing

SCHEMA = 1
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
    return {f["name"]: panels_drawing(f["title"], f["panels"]) for f in record["figures"] if f["panels"]}


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


def _check(record: Record) -> None:
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: "
            f"run the study again with this version."
        )
