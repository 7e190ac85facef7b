"""Counterfactual simulation as a page: curves, what each example rests on, the signals that matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rote.errors import InputError
from rote.report import _words
from rote.report._cfs_chart import accuracy_chart, free_chart
from rote.report._page import _environment
from rote.report._table import written_csv
from rote.report._thumbnails import Thumbnail, thumbnail

SCHEMA = 1
MOST_CURVES, MOST_SHOWN, MOST_SIGNALS, _NAME = 6, 6, 12, 9
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One example as it stands on the page.

    Attributes:
        example: Its entry in the record.
        picture: Its thumbnail; None where the data are no images.
    """

    example: Record
    picture: Thumbnail | None


@dataclass(frozen=True)
class Shown:
    """One circuit as it stands on the page.

    Attributes:
        circuit: Its record.
        short: What its curves are called.
        words: What was found, in sentences.
        rows: For each limit: limit, accuracy, drop, examples that rest on it, examples without a rare value.
        cards: The examples that rest on the rarest patterns.
        signals: The signals that matter most, ``MOST_SIGNALS`` of them.
        tried: What was tried of the signals, in a sentence; empty where none were.
        doubtful: Whether the plain circuit is hardly better than chance.
    """

    circuit: Record
    short: str
    words: str
    rows: tuple[tuple[str, ...], ...]
    cards: tuple[Card, ...]
    signals: Sequence[Record]
    tried: str
    doubtful: bool


def cfs_page(record: Record, pictures: Mapping[int, NDArray[np.uint8]] | None = None) -> str:
    """What counterfactual simulation found of some circuits, as one HTML page that needs nothing but itself.

    Args:
        record: What was found, schema 1.
        pictures: The image ``[c, h, w]``, uint8, of each row that `cfs_pictures` names; None where the
            examples are no images.

    Returns:
        The page; the same record and pictures give the same one, byte for byte.

    Raises:
        InputError: If the record has another schema.

    Example:
        >>> cfs_page({"schema": 0})
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: run it again with this version.
    """
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: run it again with this "
            f"version."
        )
    circuits = record["circuits"]
    names = short_names([circuit["name"] for circuit in circuits])
    shown = [
        _shown(circuit, name, pictures, circuits=len(circuits), chance=record["data"]["chance"])
        for circuit, name in zip(circuits, names, strict=True)
    ]
    return (
        _environment()
        .get_template("cfs.html.j2")
        .render(
            record=record,
            noise=record["kind"] == "noise",
            headline=_headline(record),
            figures=cfs_figures(record),
            shown=shown,
            limits=[_limit(record["kind"], limit) for limit in circuits[0]["limits"]],
            drops=[[_points(drop) for drop in circuit["drop"]] for circuit in circuits],
            most_shown=MOST_SHOWN,
        )
    )


def cfs_pictures(record: Record) -> list[int]:
    """Rows of the examples that the page shows.

    Example:
        >>> cfs_pictures({"circuits": [{"listed": [{"row": 7}, {"row": 3}]}, {"listed": [{"row": 7}]}]})
        [3, 7]
    """
    circuits = record["circuits"]
    each = _cards_each(len(circuits))
    return sorted({e["row"] for circuit in circuits[:MOST_SHOWN] for e in circuit["listed"][:each]})


def least_support_csv(rows: Sequence[Record], circuits: Sequence[str]) -> str:
    """For each example the rarest pattern that a circuit's answer rests on, as comma-separated values.

    Args:
        rows: For each example ``id``, ``row``, ``given``, and under each circuit's name its least support.
        circuits: The circuits' names.

    Example:
        >>> print(least_support_csv([{"id": "7", "row": 0, "given": "cat", "net": 4}], ["net"]).split()[1])
        7,0,cat,4
    """
    return written_csv(("id", "row", "given", *circuits), rows)


def short_names(names: Sequence[str]) -> list[str]:
    """Names that fit at the end of a line: as they are, or numbers where one is too long or they clash.

    Example:
        >>> short_names(["net-2", "net-100"]), short_names(["a-very-long-name", "net"])
        (['net-2', 'net-100'], ['no. 1', 'no. 2'])
    """
    if len(names) == 1:
        return [names[0] if len(names[0]) <= _NAME else "circuit"]
    if all(len(name) <= _NAME for name in names):
        return list(names)
    return [f"no. {i}" for i in range(1, len(names) + 1)]


def cfs_figures(record: Record) -> list[tuple[str, Markup]]:
    """The CFS curves, and the share of examples without a rare value, each under its title.

    Example:
        >>> circuit = {"name": "net", "limits": [1, 2], "accuracy": [0.9, 0.6], "baseline": 1.0}
        >>> circuit |= {"no_rare": None, "examples": 9}
        >>> record = {"kind": "noise", "circuits": [circuit], "data": {"chance": 0.5}}
        >>> [title for title, _ in cfs_figures(record)]
        ['Accuracy under noise']
    """
    noise = record["kind"] == "noise"
    names = short_names([circuit["name"] for circuit in record["circuits"]])
    drawn = [
        (name, f"s{i}", circuit)
        for i, (name, circuit) in enumerate(zip(names, record["circuits"], strict=True))
    ]
    drawn = drawn[:MOST_CURVES]
    chart = accuracy_chart(drawn, chance=record["data"]["chance"], noise=noise)
    if noise:
        return [("Accuracy under noise", chart)]
    return [
        ("Accuracy when rare values are perturbed", chart),
        ("Examples without a rare value anywhere", free_chart(drawn)),
    ]


def _headline(record: Record) -> str:
    circuits, kind = record["circuits"], record["kind"]
    limits = circuits[0]["limits"]
    at = _told(circuits[0])
    drops = [max(circuit["drop"][at], 0.0) for circuit in circuits]
    if kind == "noise":
        what = f"when every gate is flipped with probability 2^−{limits[at]}"
        return f"{_span(drops)} of accuracy are lost {what}"
    name = f"{_words.clip(circuits[0]['name'], 40)}: " if len(circuits) == 1 else ""
    return f"{name}{_span(drops)} of accuracy rest on what {_showing(limits[at])}"


def _told(circuit: Record) -> int:
    """Which limit is told of: the largest up to 64 and to a sixtieth of the examples; of noise the middle."""
    limits = circuit["limits"]
    if circuit["kind"] == "noise":
        return len(limits) // 2
    most = min(64, circuit["examples"] // 60)
    return max([i for i, limit in enumerate(limits) if limit <= most], default=0)


def _showing(limit: int) -> str:
    """Who shows a rare value.

    Example:
        >>> _showing(1), _showing(1024)
        ('one example alone shows', 'at most 1\u202f024 examples show')
    """
    return "one example alone shows" if limit == 1 else f"at most {_words.number(limit)} examples show"


def _span(drops: Sequence[float]) -> str:
    low, high = min(drops), max(drops)
    first, last = (f"{_words.fixed(100 * drop, 1)}" for drop in (low, high))
    return f"{first} points" if first == last else f"From {first} to {last} points"


def _points(drop: float) -> str:
    return _words.fixed(100 * drop, 1)


def _limit(kind: str, limit: int) -> str:
    return f"2^−{limit}" if kind == "noise" else _words.number(limit)


def _cards_each(circuits: int) -> int:
    return 24 if circuits == 1 else 12


def _shown(
    circuit: Record,
    short: str,
    pictures: Mapping[int, NDArray[np.uint8]] | None,
    *,
    circuits: int,
    chance: float,
) -> Shown:
    kind, free = circuit["kind"], circuit["no_rare"]
    rows = tuple(
        (
            _limit(kind, limit),
            _words.percent(circuit["accuracy"][i], 1),
            _points(circuit["drop"][i]),
            _words.number(circuit["least_support"][i]),
            _words.DASH if free is None else _words.number(free[i]),
        )
        for i, limit in enumerate(circuit["limits"])
    )
    cards = tuple(
        Card(example, thumbnail(pictures[example["row"]]) if pictures else None)
        for example in circuit["listed"][: _cards_each(circuits)]
    )
    signals = circuit["signals"]
    listed = [] if signals is None else [s for s in signals["listed"] if s["lost"]][:MOST_SIGNALS]
    doubtful = circuit["baseline"] <= chance + 0.02
    return Shown(circuit, short, _in_words(circuit), rows, cards, listed, _tried(signals), doubtful)


def _in_words(circuit: Record) -> str:
    kind, limits = circuit["kind"], circuit["limits"]
    at = _told(circuit)
    plain, then, last = (
        _words.percent(value, 1)
        for value in (circuit["baseline"], circuit["accuracy"][at], circuit["accuracy"][-1])
    )
    where = f"with flips of probability 2^−{limits[at]}" if kind == "noise" else f"at l = {limits[at]}"
    said = f"It answers {plain} of the examples rightly, {then} {where}"
    if at != len(limits) - 1:
        end = f"2^−{limits[-1]}" if kind == "noise" else f"l = {_words.number(limits[-1])}"
        said += f", and {last} at {end}"
    if kind == "noise":
        return f"{said}."
    alone = _words.number(circuit["least_support"][0])
    return f"{said}. {alone} of its right answers rest on what {_showing(limits[0])}."


def _tried(signals: Record | None) -> str:
    if signals is None:
        return ""
    rare, tried = (_words.number(signals[key]) for key in ("rare", "tried"))
    mattering = f"{_words.number(signals['mattering'])} of them" if signals["mattering"] else "None of them"
    limit = _words.number(signals["limit"])
    if not signals["rare"]:
        return f"No gate has a value that at most {limit} examples show."
    which = (
        "each was" if signals["tried"] == signals["rare"] else f"{tried} of them, chosen at random, were each"
    )
    return (
        f"{rare} gates have a value that at most {limit} examples show; {which} flipped alone, on exactly "
        f"these examples. {mattering} cost a right answer."
    )
