"""Error along lines, and how high barriers are."""

from collections.abc import Callable, Sequence

from rote.dynamics import Copies, Path
from rote.studies._panels import Axis, Line, Panel, Pictures, Point, Tile, curve
from rote.studies._study import Row, Rows, some
from rote.studies.linear_mode_connectivity._measures import pairs
from rote.studies.linear_mode_connectivity._sweep import LEVEL

WAY = Axis("share of the way", low=0.0, high=1.0)
NAMES = {"naive": "as it is", "matched": "matched"}
Value = Callable[[Copies, list[Copies]], float]


def lenet(rows: Rows) -> list[Panel]:
    """Error along the line for each k, and the barrier by k in both definitions."""
    return [_along("LeNet: along the line", rows), _barriers("LeNet: barrier", rows)] if rows else []


def resnet(rows: Rows) -> list[Panel]:
    """The same, the barrier close up, and what distance says beside it."""
    if not rows:
        return []
    return [
        _along("ResNet-20: along the line", rows, reference=(0.9, "chance")),
        _barriers("ResNet-20: barrier", rows),
        _close_up(rows),
        _distances(rows),
    ]


def _ks(rows: Rows) -> list[int]:
    return sorted({pair.k for row in rows for pair in pairs(row.record)})


def _lines(rows: Rows, ks: Sequence[int], values: Callable[[Path], Sequence[float]]) -> list[Line]:
    """One line for each k, over the shares of the way; styles are those of all that were measured."""
    everywhere = _ks(rows)
    return [
        Line(f"k = {k}", [_points(pair.path, values) for pair in _with(rows, k)], everywhere.index(k) % 6)
        for k in ks
    ]


def _with(rows: Rows, k: int) -> list[Copies]:
    return [pair for row in rows for pair in pairs(row.record) if pair.k == k]


def _points(path: Path, values: Callable[[Path], Sequence[float]]) -> list[Point]:
    return curve(path.shares.tolist(), [float(value) for value in values(path)])


def _along(title: str, rows: Rows, reference: tuple[float, str] | None = None) -> Panel:
    error = Axis("test error", low=None if reference else 0.0, percent=True)
    return Panel(title, WAY, error, _lines(rows, _ks(rows), lambda path: path.error.tolist()), reference)


def _by_k(rows: Rows, value: Value) -> list[list[Point]]:
    found = [pairs(row.record) for row in rows]
    return [[(float(pair.k), value(pair, sweep)) for pair in sweep] for sweep in found]


def _barriers(title: str, rows: Rows) -> Panel:
    """Above the mean of the ends (Frankle et al.), and above the line between them (Entezari et al.)."""
    lines = [
        Line("mean", _by_k(rows, lambda pair, _: pair.path.barrier("error", ends="mean")), 0),
        Line("line", _by_k(rows, lambda pair, _: pair.path.barrier("error", ends="line")), 1),
    ]
    height = Axis("error barrier", low=0.0, percent=True)
    return Panel(title, Axis("k", "log1p"), height, lines, (LEVEL, "stable"))


def _close_up(rows: Rows) -> Panel:
    """Of the later half of all k, error above the line between the ends, with its sign."""
    ks = _ks(rows)
    lines = _lines(rows, ks[len(ks) // 2 :], lambda path: path.excess("error", ends="line").tolist())
    return Panel("Close up, with its sign", WAY, Axis("error above the ends", percent=True), lines, (0.0, ""))


def _distances(rows: Rows) -> Panel:
    def height(pair: Copies, sweep: list[Copies]) -> float:
        first = sweep[0].path.barrier("error")
        return pair.path.barrier("error") / first if first else float("nan")

    def distance(pair: Copies, sweep: list[Copies]) -> float:
        return pair.distance / sweep[0].distance if sweep[0].distance else float("nan")

    lines = [Line("distance", _by_k(rows, distance), 0), Line("barrier", _by_k(rows, height), 1)]
    share = Axis("of that at the first k", low=0.0, percent=True)
    return Panel("Distance and barrier", Axis("k", "log1p"), share, lines)


def permuted(rows: Rows) -> list[Panel | Pictures]:
    """Error along the line by width, the barrier over width, the matched loss with its sign, and a plane."""
    here = sorted({int(row.config["width"]) for row in rows})
    if not here:
        return []
    lines = [*(_of_width(rows, width) for width in here), _over_width(rows), _signed(rows, here)]
    return [*lines, *_plane(rows)]


def _plane(rows: Rows) -> list[Pictures]:
    """Test error on the plane through one network, another, and that one matched; of the first seed."""
    return [
        Pictures(
            f"Layers of {row.config['width']}: a plane",
            [Tile(row.record["plane"])],
            low=min(min(line) for line in row.record["plane"]),
            high=max(max(line) for line in row.record["plane"]),
            x="to the other network",
            y="to the same, matched",
            colours="test error",
        )
        for row in rows
        if "plane" in row.record
    ][:1]


def _named(rows: Rows, name: str, values: Callable[[Path], Sequence[float]]) -> list[list[Point]]:
    return [_points(Path.from_dict(row.record[name]), values) for row in rows]


def _of_width(rows: Rows, width: int) -> Panel:
    lines = [
        Line(title, _named(some(rows, width=width), name, lambda path: path.error.tolist()), style)
        for style, (name, title) in enumerate(NAMES.items())
    ]
    return Panel(f"Layers of {width}", WAY, Axis("test error", low=0.0, percent=True), lines)


def _over_width(rows: Rows) -> Panel:
    def by_width(name: str) -> list[list[Point]]:
        seeds = sorted({row.seed for row in rows})
        own = [sorted((r for r in rows if r.seed == seed), key=_width) for seed in seeds]
        return [[(_width(r), Path.from_dict(r.record[name]).barrier("error")) for r in of] for of in own]

    lines = [Line(title, by_width(name), style) for style, (name, title) in enumerate(NAMES.items())]
    height = Axis("error barrier", low=0.0, percent=True)
    return Panel("Barrier by width", Axis("width", "log"), height, lines, (LEVEL, ""))


def _width(row: Row) -> float:
    return float(row.config["width"])


def _signed(rows: Rows, widths: Sequence[int]) -> Panel:
    lines = [
        Line(
            str(width),
            _named(some(rows, width=width), "matched", lambda p: p.excess("loss", ends="line").tolist()),
            style % 6,
        )
        for style, width in enumerate(widths)
    ]
    return Panel("Matched: loss, with its sign", WAY, Axis("loss above the ends"), lines, (0.0, ""))
