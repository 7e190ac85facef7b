"""A lecture as a page to be shown: one thing said at a time, with its pictures and how it was tested."""

from collections.abc import Mapping
from typing import Any

from rote.errors import InputError
from rote.report._page import _environment
from rote.report._study import drawn_panel

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
