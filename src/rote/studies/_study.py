"""What a study declares: figures of a paper, the cells behind them, the claims they were to show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rote.studies._judge import Range
from rote.studies._panels import Panel, Pictures

Scale = Literal["quick", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)

Config = Mapping[str, Any]
"""One configuration: plain values that JSON knows, by name."""
Record = Mapping[str, Any]
"""What a cell found: plain values that JSON knows; curves as lists."""


@dataclass(frozen=True)
class Place:
    """Where a cell runs; none of this may change its result.

    Attributes:
        data_dir: Where data sets lie; ``None`` for what :func:`rote.data.load` takes by itself.
        device: ``"cpu"`` or ``"cuda"``.

    Example:
        >>> Place().device
        'cpu'
    """

    data_dir: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Row:
    """One finished cell.

    Attributes:
        config: Its configuration.
        seed: Its seed.
        record: What it found.

    Example:
        >>> Row({"noise": 0.5}, 0, {"accuracy": 0.9}).record["accuracy"]
        0.9
    """

    config: Config
    seed: int
    record: Record


Rows = Sequence[Row]


class MissingCellError(LookupError):
    """A cell that a claim or a panel asks for has not run.

    Example:
        >>> one([], noise=0.5)
        Traceback (most recent call last):
        ...
        rote.studies._study.MissingCellError: no cell has noise=0.5
    """


def some(rows: Rows, **wanted: object) -> list[Row]:
    """The rows whose configuration has these values, in order.

    Example:
        >>> rows = [Row({"noise": 0.0}, 0, {"a": 1}), Row({"noise": 0.5}, 0, {"a": 2})]
        >>> [row.record["a"] for row in some(rows, noise=0.5)]
        [2]
    """
    return [row for row in rows if all(row.config.get(name) == value for name, value in wanted.items())]


def one(rows: Rows, **wanted: object) -> Record:
    """The record of the only row whose configuration has these values.

    Raises:
        MissingCellError: If there is no such row; so the claim that asks is not measured for this seed.
        ValueError: If there are several.

    Example:
        >>> one([Row({"noise": 0.5}, 0, {"a": 2})], noise=0.5)
        {'a': 2}
    """
    found = some(rows, **wanted)
    said = ", ".join(f"{name}={value}" for name, value in wanted.items())
    if not found:
        raise MissingCellError(f"no cell has {said}")
    if len(found) > 1:
        raise ValueError(f"{len(found)} cells have {said}: name more of their configuration, or one seed.")
    return found[0].record


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, and the number that decides whether it holds here.

    Attributes:
        name: Short, of lower-case words joined by ``-``; unique within the study.
        words: What the paper says, in our own words.
        source: Where it says so: paper, section, figure.
        quantity: What is computed from the records, in words.
        expected: Where that number must lie for the claim to hold.
        measure: From the rows of one seed to the number; nan where it is undefined for this seed.
        exact: Whether nothing random enters, so that one value decides and no interval is needed.
        percent: Whether the number is a share, to be written in percent.

    Example:
        >>> from rote.studies import above
        >>> claim = Claim("learns", "It learns.", "Nobody 2020, Fig. 1", "accuracy above chance", above(0.1),
        ...               lambda rows: one(rows)["accuracy"])
        >>> claim.measure([Row({}, 0, {"accuracy": 0.9})])
        0.9
    """

    name: str
    words: str
    source: str
    quantity: str
    expected: Range
    measure: Callable[[Rows], float]
    exact: bool = False
    percent: bool = False


def same_cost(config: Config) -> float:
    """Every cell counts alike in the progress.

    Example:
        >>> same_cost({})
        1.0
    """
    return 1.0


@dataclass(frozen=True)
class Figure:
    """One figure of a paper: the cells it needs, what is drawn of them, and what it was to show.

    Attributes:
        name: Short, such as ``fig-1``; what ``--only`` takes.
        title: What it shows.
        words: How to read it; a few sentences.
        cell: From a configuration, a seed and a place to a record: a function of a module (worker processes
            import it), whose result depends on the configuration, the seed and the data alone.
        configs: The configurations at a scale. Figures with the same ``cell`` and configuration share it.
        panels: From the rows of all seeds to what is drawn.
        claims: What it was to show.
        data: Names of the data sets its cells read.
        cost: About how many seconds of one core a configuration takes; decides order and time left.

    Example:
        >>> def cell(config, seed, place):
        ...     return {"value": config["a"] + seed}
        >>> figure = Figure("fig-1", "A sum", "", cell, lambda scale: [{"a": 1}], lambda rows: ())
        >>> figure.cell(figure.configs("quick")[0], 2, Place())
        {'value': 3}
    """

    name: str
    title: str
    words: str
    cell: Callable[[Config, int, Place], Record]
    configs: Callable[[Scale], Sequence[Config]]
    panels: Callable[[Rows], Sequence[Panel | Pictures]]
    claims: Sequence[Claim] = ()
    data: Sequence[str] = ()
    cost: Callable[[Config], float] = same_cost


@dataclass(frozen=True)
class Study:
    """A paper's figures, to be computed anew and judged.

    Attributes:
        name: As the command line names it.
        title: What is studied.
        paper: Authors, title, year, and where it appeared.
        link: Its address.
        figures: The paper's figures.
        version: To be raised whenever the same configuration and seed would give another record.
        deviations: What is done otherwise than in the paper, and why; one sentence each.

    Example:
        >>> Study("toy", "A toy", "Nobody 2020", "https://example.org", ()).version
        1
    """

    name: str
    title: str
    paper: str
    link: str
    figures: Sequence[Figure]
    version: int = 1
    deviations: Sequence[str] = ()
