"""A lecture as a page to be shown: one thing said at a time, with its pictures and how it was tested."""

from collections.abc import Mapping
from typing import Any

from rote.errors import InputError
from rote.report._page import _environment
from rote.report._panels import drawn_panel

SCHEMA = 1


def lecture_page(record: Mapping[str, Any]) -> str:
    """The lecture as one HTML page; it loads nothing, and links to the pages of its studies.

    Args:
        record: As ``lecture.json`` holds it, schema 1.

    Returns:
        The page; the same record gives the same one, byte for byte.

    Raises:
        InputError: If the record has another schema.

    Example:
        >>> lecture_page({"schema": 0})
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: show the lecture again.
    """
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: show the lecture again."
        )
    drawn = [(chapter, [drawn_panel(panel) for panel in chapter["panels"]]) for chapter in record["chapters"]]
    return _environment().get_template("lecture.html.j2").render(record=record, drawn=drawn)


def lecture_markdown(record: Mapping[str, Any], home: str) -> str:
    """The lecture as Markdown, with the drawings that ``rote study run --export`` keeps.

    Args:
        record: As for :func:`lecture_page`.
        home: Where the drawings are, as seen from the page: ``<home>/<study>/<scale>/<figure>.svg``.

    Example:
        >>> told = {"title": "What?", "words": "This.", "paper": "Nobody 2020", "link": "https://example.org"}
        >>> told |= {"lecture": "lecture", "scale": "quick", "headline": "No claim was tested yet"}
        >>> print(lecture_markdown(told | {"chapters": []}, "results").splitlines()[2])
        # What?
    """
    parts = [
        "<!-- Made from the records in docs/results/ by `make docs`; nothing here is written by hand. -->",
        f"# {record['title']}",
        f"{record['words']} After: [{record['paper']}]({record['link']}).",
        f"`rote study run {record['lecture']}` computes all of it anew and makes one page to be shown, "
        f"`lecture.html`. What is kept here ran at {record['scale']} scale: {record['headline']}. Lines are "
        "means over seeds, bands reach from the lowest seed to the highest. How claims are judged: "
        "[studies.md](studies.md); every number: [the ledger](ledger.md).",
    ]
    for i, chapter in enumerate(record["chapters"], 1):
        parts += [f"## {i}. {chapter['title']}", chapter["words"]]
        place = f"{home}/{chapter['study']}/{record['scale']}"
        parts += [f"![{chapter['title']}: {name}]({place}/{name}.svg)" for name in chapter["figures"]]
        seeds = f"with {len(chapter['seeds'])} seeds"
        tested = f"{chapter['headline']}, {seeds}" if chapter["headline"] else "not yet"
        tools = ", ".join(f"`rote.dynamics.{tool}`" for tool in chapter["tools"])
        parts.append(
            f"Put to the test (`rote study run {chapter['study']}`): **{tested}**. "
            f"On a model of your own: {tools}."
        )
    return "\n\n".join(parts) + "\n"
