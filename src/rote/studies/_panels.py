"""What a figure draws, lines over seeds or pictures, as plain data that the report knows how to draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rote.runs import plain

Kind = Literal["linear", "log", "log1p"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        title: What is measured, with its unit.
        kind: ``linear``; ``log``; or ``log1p``, a logarithmic axis that has a 0.
        low: Where it begins; where the data do unless told.
        high: Where it ends; where the data do unless told.
        percent: Whether values are shares, to be written in percent.

    Example:
        >>> Axis("step", "log1p").kind
        'log1p'
    """

    title: str
    kind: Kind = "linear"
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True)
class Line:
    """One quantity for every seed; drawn as its mean, with a band from the lowest seed to the highest.

    Attributes:
        name: As written at its end: a word or two.
        runs: For each seed its points ``(x, y)``, ascending in x; points that are not finite are left out.
        style: 0 to 5: colour, dashes and marker, so that lines of one name look alike in all panels.
        band: Lower and upper ends of an interval around the only run, where one was computed; seeds are
            then not asked for theirs.

    Example:
        >>> Line("50 %", [[(0, 0.1), (1, 0.9)]], style=2).runs[0][-1]
        (1, 0.9)
    """

    name: str
    runs: Sequence[Sequence[Point]]
    style: int = 0
    band: tuple[Sequence[Point], Sequence[Point]] | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes with its lines.

    Attributes:
        title: What it shows, in a few words.
        x: Horizontal axis.
        y: Vertical axis.
        lines: What is drawn.
        reference: A value of y to mark, and its name.

    Example:
        >>> panel = Panel("Loss", Axis("step"), Axis("loss"), [Line("a", [[(0, 1.0)]])])
        >>> panel.to_dict()["lines"][0]["runs"]
        [[[0, 1.0]]]
    """

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    reference: tuple[float, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The panel, JSON-ready."""
        shown: dict[str, Any] = plain(self)
        return shown


@dataclass(frozen=True)
class Tile:
    """One picture: a matrix of values, each a pixel.

    Attributes:
        values: Rows from the top, each from the left; None where unknown.
        title: Written above it; a word or two.

    Example:
        >>> Tile([[0.0, 1.0]], "edge").title
        'edge'
    """

    values: Sequence[Sequence[float | None]]
    title: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side in one colour scale: filters, decision regions, layers beside layers.

    Attributes:
        title: What they show, in a few words.
        tiles: The pictures, in order; they need not be of one size.
        low: Value of the first colour; what lies below is shown as this.
        high: Value of the last colour.
        signed: Whether the middle is nothing, and both ends are something: two hues that meet there.
            Otherwise one hue, from light to dark.
        across: How many stand in a row; as many as there is room for unless told.
        x: What runs to the right in each, if that needs saying.
        y: What runs downwards.
        colours: What a colour stands for, in a word or two, for the legend.

    Example:
        >>> shown = Pictures("Filters", [Tile([[-1.0, 1.0]])], low=-1, high=1, signed=True)
        >>> shown.to_dict()["tiles"][0]["values"]
        [[-1.0, 1.0]]
    """

    title: str
    tiles: Sequence[Tile]
    low: float
    high: float
    signed: bool = False
    across: int | None = None
    x: str = ""
    y: str = ""
    colours: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The pictures, JSON-ready."""
        shown: dict[str, Any] = plain(self)
        return shown


def curve(at: Sequence[float], values: Sequence[float | None]) -> list[Point]:
    """Points from two lists of a record, without those that are unknown.

    Example:
        >>> curve([0, 1, 2], [0.1, None, 0.3])
        [(0, 0.1), (2, 0.3)]
    """
    return [(x, y) for x, y in zip(at, values, strict=True) if y is not None]


def lines_of(
    runs: Mapping[str, Sequence[Sequence[Point]]], *, styles: Sequence[int] | None = None
) -> list[Line]:
    """One line for each name, in order, each with a style of its own.

    Example:
        >>> [(line.name, line.style) for line in lines_of({"a": [], "b": []})]
        [('a', 0), ('b', 1)]
    """
    chosen = range(len(runs)) if styles is None else styles
    return [Line(name, of, style % 6) for (name, of), style in zip(runs.items(), chosen, strict=True)]
