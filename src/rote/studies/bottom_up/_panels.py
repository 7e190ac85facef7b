"""What is drawn of convergence and freezing."""

from collections.abc import Sequence

from rote.studies._panels import Axis, Line, Panel, Pictures, Point, Tile, curve
from rote.studies._study import Record, Row, Rows, some
from rote.studies.bottom_up._identification import mean_matrix
from rote.studies.bottom_up._settling import MEASURES
from rote.studies.bottom_up._training import DATA


def convergence(rows: Rows) -> list[Panel | Pictures]:
    """The way that each layer has gone, when it was settled, and all layers beside all at four times."""
    found: list[Panel | Pictures] = []
    for data, title in DATA.items():
        here = some(rows, data=data, frozen=False)
        if here:
            found.append(_beside_the_end(title, here))
            found += [_ways(title, here, measure) for measure in MEASURES]
            found += [_settled(title, here), _baselines(title, here)]
    return found


def _beside_the_end(title: str, rows: Sequence[Row]) -> Pictures:
    times = [panel["share"] for panel in rows[0].record["panels"]]
    tiles = [
        Tile(mean_matrix([row.record["panels"][at]["matrix"] for row in rows]), f"{100 * share:.0f} %")
        for at, share in enumerate(times)
    ]
    return Pictures(
        f"{title}: all layers beside all at the end",
        tiles,
        low=0.0,
        high=1.0,
        x="layer at the end",
        y="layer at this share of training",
        colours="CKA",
    )


def _ways(title: str, rows: Sequence[Row], measure: str) -> Panel:
    layers = rows[0].record["layers"]
    lines = [
        Line(layers[at], [_way(row.record, measure, at) for row in rows], style)
        for style, at in enumerate(shown_layers(layers))
    ]
    x = Axis("share of training", low=0.0, high=1.0, percent=True)
    y = Axis("share of its way", low=0.0, high=1.0, percent=True)
    return Panel(f"{title}: way gone, {measure}", x, y, lines, (0.9, ""))


def _way(record: Record, measure: str, layer: int) -> list[Point]:
    """One layer's excess; without the last checkpoint, where it is 1 for all."""
    excess = [way[layer] for way in record["settled"][measure]["excess"]]
    return curve(record["share"][:-1], excess[:-1])


def shown_layers(layers: Sequence[str], most: int = 4) -> list[int]:
    """Numbers of so many layers at most, the first and the last among them, evenly spaced.

    Example:
        >>> shown_layers("abcdefgh"), shown_layers("abc")
        ([0, 2, 5, 7], [0, 1, 2])
    """
    last = len(layers) - 1
    return list(range(last + 1)) if last < most else [round(k * last / (most - 1)) for k in range(most)]


def _settled(title: str, rows: Sequence[Row]) -> Panel:
    lines = [
        Line(measure, [_by_layer(row.record["settled"][measure]["reached"]) for row in rows], style)
        for style, measure in enumerate(MEASURES)
    ]
    y = Axis("t90, share of training", low=0.0, high=1.0, percent=True)
    return Panel(f"{title}: when layers settle", Axis("layer"), y, lines)


def _baselines(title: str, rows: Sequence[Row]) -> Panel:
    names = {"initial": "its start", "other": "other seed"}
    lines = [
        Line(said, [_by_layer(row.record["settled"]["CKA"][key]) for row in rows], style)
        for style, (key, said) in enumerate(names.items())
    ]
    y = Axis("CKA with its end", low=0.0, high=1.0)
    return Panel(f"{title}: where layers start", Axis("layer"), y, lines)


def _by_layer(values: Sequence[float | None]) -> list[Point]:
    return curve(range(1, len(values) + 1), values)


def freezing(rows: Rows) -> list[Panel]:
    """Test accuracy over training with and without freezing, from the first epoch on."""
    found = []
    for data, title in DATA.items():
        lines = []
        for style, (frozen, name) in enumerate({False: "all train", True: "freezing"}.items()):
            here = some(rows, data=data, frozen=frozen)
            runs = [curve(row.record["epoch"][1:], row.record["test"][1:]) for row in here]
            lines += [Line(name, runs, style)] if here else []
        if lines:
            y = Axis("test accuracy", percent=True)
            found.append(Panel(f"{title}: layers frozen from below", Axis("epoch"), y, lines))
    return found
