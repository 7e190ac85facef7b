"""Suspects, and predictions, as files that other programs read."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rote.report._words import known

COLUMNS = (
    "rank",
    "id",
    "row",
    "given",
    "suggested",
    "score",
    "mean_loss",
    "last_loss",
    "held_out_probability",
    "neighbour_agreement",
    "support_same_label",
    "first_learned",
    "learned_for_good",
    "why",
)
# A spreadsheet takes a cell that begins so for a formula and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def suspects_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""Suspects as comma-separated values (RFC 4180: CRLF at the end of each line, quotes doubled).

    A spreadsheet would run an id or a class name such as ``=HYPERLINK(...)`` as a formula. So a text that
    begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe before it, and so does
    one that begins with an apostrophe: to have the original text, take one leading apostrophe away.
    Numbers stay numbers. What is unknown is an empty cell.

    Args:
        rows: The audit's suspects, in order; keys that are no column are left out.

    Returns:
        The table with a header. Write it with ``newline=""``, or line ends are doubled on some systems.

    Example:
        >>> row = {"rank": 1, "id": "=1+1", "given": "cat", "suggested": None, "score": 0.5, "row": 7}
        >>> suspects_csv([row]).splitlines()[1]
        "1,'=1+1,7,cat,,0.5,,,,,,,,"
    """
    return written_csv(COLUMNS, rows)


def predictions_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""A model's answers as comma-separated values, written as :func:`suspects_csv` writes suspects.

    Args:
        rows: For each example ``id``, ``given``, ``predicted`` and ``probability``, and ``output`` where a
            file has several.

    Example:
        >>> row = {"output": "", "id": 7, "given": "cat", "predicted": "=dog", "probability": 0.75}
        >>> predictions_csv([row]).splitlines()
        ['id,given,predicted,probability', "7,cat,'=dog,0.75"]
    """
    columns = ("output",) if any(row["output"] for row in rows) else ()
    return written_csv((*columns, "id", "given", "predicted", "probability"), rows)


def written_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as comma-separated values under these columns, as :func:`suspects_csv` writes them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return "" if known(value) is None else f"{value:.6g}"
    if value is None:
        return ""
    # A file name that is no UTF-8 becomes an id that no file could be written with.
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
