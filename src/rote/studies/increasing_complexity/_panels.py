"""What the networks knew and shared, as curves; the disc as pictures."""

from collections.abc import Mapping, Sequence

from rote.studies._panels import Axis, Line, Panel, Pictures, Tile, curve
from rote.studies._study import Row, Rows, some
from rote.studies.increasing_complexity._claims import NAMES
from rote.studies.increasing_complexity._disc import EVENTS, NOWHERE

STEP = Axis("step", "log1p")
BITS = Axis("bits", low=0.0)
ACCURACY = Axis("accuracy", low=0.5, high=1.0, percent=True)
KNOWN = {"model": "network", "shared": "shared", "unexplained": "beyond"}


def lines(rows: Rows, names: Mapping[str, str], *inside: str) -> list[Line]:
    """Curves over training, by key and name; of a part of the record too, if it is named.

    Example:
        >>> rows = [Row({}, 0, {"step": [0, 9], "test": [0.5, 0.9], "linear": {"shared": [0.0, 0.4]}})]
        >>> [line.runs for line in lines(rows, {"test": "test", "shared": "shared"}, "linear")]
        [[[(0, 0.5), (9, 0.9)]], [[(0, 0.0), (9, 0.4)]]]
    """
    records = []
    for row in rows:
        part = row.record
        for name in inside:
            part = part[name]
        records.append({**row.record, **part})
    return [
        Line(name, [curve(record["step"], record[key]) for record in records], style)
        for style, (key, name) in enumerate(names.items())
    ]


def linear(rows: Rows, data: str) -> list[Panel]:
    """Beside a linear model: what is known and explained, what of it is chance, what is kept; accuracies."""
    here = some(rows, data=data)
    if not here:
        return []
    known, right = (_mean(here, key) for key in ("simple", "accuracy"))
    name, beside = NAMES[data], ("simpler", "linear")
    second = {"shared": "shared", "independent": "chance", "forgotten": "forgotten"}
    third = {"train": "training", "test": "test"}
    return [
        Panel(f"{name}: known and explained", STEP, BITS, lines(here, KNOWN, *beside), (known, "")),
        Panel(f"{name}: shared and kept", STEP, BITS, lines(here, second, *beside), (known, "")),
        Panel(f"{name}: accuracy", STEP, ACCURACY, lines(here, third), (right, "")),
    ]


def smaller(rows: Rows, data: str) -> list[Panel]:
    """The same beside smaller networks, and what each simpler model leaves unexplained."""
    here = some(rows, data=data)
    if not here:
        return []
    name = NAMES[data]
    kinds = [kind for kind in here[0].record["simpler"] if kind != "linear"]
    found = [
        Panel(
            f"{name}: beside {kind.upper()}",
            STEP,
            BITS,
            lines(here, KNOWN, "simpler", kind),
            (_mean(here, "simple", kind), ""),
        )
        for kind in kinds
    ]
    left = [
        Line(kind.replace("cnn", "CNN"), lines(here, {"unexplained": ""}, "simpler", kind)[0].runs, style)
        for style, kind in enumerate(here[0].record["simpler"])
    ]
    return [*found, Panel(f"{name}: left unexplained", STEP, BITS, left)]


def disc(rows: Rows) -> list[Panel | Pictures]:
    """Pictures of the first seed; accuracies, and how much the line and the network agree."""
    if not rows:
        return []
    names = {"test": "clean", "train": "training", "wrong": "noise", "agreement": "as line"}
    line = sum(row.record["linear"]["accuracy"] for row in rows) / len(rows)
    axis = Axis("share of labels", low=0.0, high=1.0, percent=True)
    known = sum(row.record["linear"]["simple"] for row in rows) / len(rows)
    return [
        pictures(rows[0]),
        Panel("The disc: who is right", STEP, axis, lines(rows, names), (line, "")),
        Panel("The disc: known and explained", STEP, BITS, lines(rows, KNOWN, "linear"), (known, "")),
    ]


def pictures(row: Row) -> Pictures:
    """The labels to be learned, those of the line, and the network's where something happened."""
    record = row.record
    tiles = [
        Tile(pixels(record["points"]), "training labels"),
        Tile(pixels(record["truth"]), "without noise"),
        Tile(pixels(record["line"]), "linear model"),
    ]
    for event in EVENTS:
        at = record["at"][event]
        if at is not None and at not in [record["at"][name] for name in EVENTS[: EVENTS.index(event)]]:
            tiles.append(Tile(pixels(record["pictures"][event]), f"step {record['step'][at]:,}"))
    return Pictures(
        "What is learned when",
        tiles,
        low=0.0,
        high=1.0,
        signed=True,
        across=4,
        colours="probability of label 1",
    )


def pixels(rows: Sequence[str]) -> list[list[float | None]]:
    """Values from 0 to 1 of a picture that was kept as digits from 0 to 9.

    Example:
        >>> pixels(["09", "3."])
        [[0.0, 1.0], [0.333, None]]
    """
    return [[None if sign == NOWHERE else round(int(sign) / 9, 3) for sign in row] for row in rows]


def _mean(rows: Rows, key: str, simpler: str = "linear") -> float:
    return float(sum(row.record["simpler"][simpler][key] for row in rows) / len(rows))
