"""The audit's page, put together from its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from rote.errors import InputError
from rote.report import _figures, _words
from rote.report._bars import PARTS, score_bar, stacked_bar
from rote.report._cfs_chart import audit_charts
from rote.report._thumbnails import Thumbnail, check_images, thumbnail

SCHEMA = 1
MOST_CARDS = 48
MOST_VALUES = 24
_FACTS = (
    ("held_out_probability", "probability of the given label when held out"),
    ("neighbour_agreement", "neighbours that bear the given label"),
    ("mean_loss", "mean loss over training"),
    ("last_loss", "loss at the end"),
    ("support_same_label", "support from examples of its label"),
)


@dataclass(frozen=True)
class Card:
    """One suspect as it stands on the page.

    Attributes:
        suspect: Its entry in the record.
        picture: Its thumbnail; None for a table.
        bar: Its score as a bar.
        facts: What was measured of it: (what, value).
        values: The first columns of a table's row: (column, value).
        more_values: Columns that are not shown.
    """

    suspect: Mapping[str, Any]
    picture: Thumbnail | None
    bar: Markup
    facts: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]
    more_values: int


def audit_page(record: Mapping[str, Any], images: NDArray[np.uint8] | None) -> str:
    """The audit as one HTML page that needs nothing but itself: no network, no script, no other file.

    The same record and images give the same page, byte for byte. Whatever depends on the clock stands in
    elements of class ``clock``. Names from the data are escaped.

    Args:
        record: The audit's record, schema 1, ready for JSON; numbers that are None or NaN are unknown and
            become dashes.
        images: One image per entry of ``record["suspects"]``, shape ``[n, c, h, w]``, uint8, or None for
            tables.

    Returns:
        The page, at most 2 MB in UTF-8.

    Raises:
        InputError: If the record has another schema or the images do not fit the suspects.

    Example:
        >>> audit_page({"schema": 0}, None)
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: run the audit again with this version.
    """
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: "
            f"run the audit again with this version."
        )
    check_images(images, len(record["suspects"]))
    page = _environment().get_template("audit.html.j2")
    return page.render(
        **{"circuit": None} | {key: record[key] for key in record if key != "map"},
        parts=PARTS,
        bars=_bars(record["verdict"]),
        cards=_cards(record["suspects"], images),
        curve_panels=_figures.learning_curves(record),
        coherence_chart=_figures.coherence_chart(record),
        coherence_numbers=_figures.coherence_numbers(record),
        layer_maps=_figures.layer_maps(record),
        cfs_charts=audit_charts(record.get("circuit"), record["verdict"]["chance"]),
        data_map=_figures.map_of_examples(record),
        ways=_ways(record["coverage"]),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rote.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    names = ("percent", "interval", "change", "number", "fixed", "duration", "clip")
    environment.filters |= {name: getattr(_words, name) for name in names}
    environment.filters["best"] = _best
    return environment


def _finalize(value: object) -> object:
    """What is unknown becomes a dash, and no name breaks the page's encoding."""
    if value is None:
        return _words.DASH
    return _words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _bars(verdict: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    rows = [("Given labels", verdict), ("Control: the same model, labels permuted", verdict["control"])]
    return [(name, stacked_bar(shares, alt=_shares_in_words(name, shares))) for name, shares in rows]


def _shares_in_words(name: str, shares: Mapping[str, Any]) -> str:
    said = ", ".join(f"{part} {_words.interval(shares[key])}" for key, part in PARTS)
    return f"{name}: {said}."


def _cards(suspects: Sequence[Mapping[str, Any]], images: NDArray[np.uint8] | None) -> list[Card]:
    cards = []
    for i, suspect in enumerate(suspects[:MOST_CARDS]):
        values = list((suspect.get("values") or {}).items())
        cards.append(
            Card(
                suspect,
                None if images is None else thumbnail(images[i]),
                score_bar(suspect["score"]),
                _facts(suspect),
                tuple((_words.clip(k, 32), _value(v)) for k, v in values[:MOST_VALUES]),
                max(len(values) - MOST_VALUES, 0),
            )
        )
    return cards


def _facts(suspect: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    facts = [(words, _words.number(suspect[key])) for key, words in _FACTS]
    first, good = suspect["first_learned"], suspect["learned_for_good"]
    return (
        *facts,
        ("first learned", f"epoch {first}" if first else "never"),
        ("learned for good", f"epoch {good}" if good else "not by the end"),
    )


def _value(value: object) -> str:
    """A table's value as the user knows it: no thousands set apart in years and codes."""
    if isinstance(value, float):
        return _words.DASH if _words.known(value) is None else f"{value:.6g}"
    return _words.clip(value, 40)


def _ways(coverage: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, float | None]]:
    """How the parameters were measured: (way, parameters, their share), the largest first."""
    totals: dict[str, int] = {}
    for layer in coverage:
        totals[layer["way"]] = totals.get(layer["way"], 0) + (layer["parameters"] or 0)
    whole = sum(totals.values())
    ranked = sorted(totals.items(), key=lambda item: -item[1])
    return [(way, count, count / whole if whole else None) for way, count in ranked]


def _best(methods: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The largest known value of ``key``, to be marked in a table."""
    return max((v for v in (_words.known(method[key]) for method in methods) if v is not None), default=None)
