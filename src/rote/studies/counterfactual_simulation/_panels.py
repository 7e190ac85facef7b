"""Curves of accuracy against rarity or noise."""

from collections.abc import Mapping

from rote.studies._panels import Axis, Line, Panel, Point, curve
from rote.studies._study import Record, Rows, some

CHANCE = (0.1, "chance")
_NAMES = {
    "short": "short",
    "long": "long",
    "random": "permuted",
    "rf-real": "rf real",
    "rf-random": "rf perm.",
    "luts-r": "real",
    "luts-p": "permuted",
    "table": "table",
    "tree": "tree",
}
"""What stands at the end of a line."""
_STYLES = {"short": 0, "long": 1, "random": 2, "rf-real": 3, "rf-random": 4, "table": 3, "tree": 4}
_RARITY = Axis("l, the most examples a rare value has", "log1p")
_NOISE = Axis("log2 of a flip’s probability")


def accuracy(low: float = 0.0) -> Axis:
    """The vertical axis of most panels."""
    return Axis("training accuracy", low=low, high=1.0, percent=True)


def points(record: Record, kind: str) -> list[Point]:
    """A curve: from plain accuracy at l = 0 on; under noise against log2 of the probability.

    Example:
        >>> points({"limits": [1, 2], "baseline": 0.9, "accuracy": [0.8, 0.7]}, "simple")
        [(0, 0.9), (1, 0.8), (2, 0.7)]
    """
    if kind == "noise":
        return curve([-k for k in record["limits"]], record["accuracy"])
    return curve([0, *record["limits"]], [record["baseline"], *record["accuracy"]])


def _lines(rows: Rows, kind: str) -> list[Line]:
    """A line for each of the named models, in the order of their styles."""
    found: list[Line] = []
    for net, name in _NAMES.items():
        if here := some(rows, net=net, kind=kind):
            runs = [points(row.record, kind) for row in here]
            found.append(Line(name, runs, _STYLES.get(net, len(found))))
    return found


def _panel(title: str, rows: Rows, kind: str = "simple", chance: tuple[float, str] = CHANCE) -> list[Panel]:
    lines = _lines(rows, kind)
    axis = _NOISE if kind == "noise" else _RARITY
    return [Panel(title, axis, accuracy(), lines, chance)] if lines else []


def nets(rows: Rows) -> list[Panel]:
    """The curves of the first experiment, and what is lost: the paper's measure of overfitting."""
    lines = [
        Line(_NAMES[net], [_loss(row.record) for row in here], _STYLES[net])
        for net in ("short", "long", "random")
        if (here := some(rows, net=net))
    ]
    axis = Axis("plain less perturbed", low=0.0, high=1.0, percent=True)
    return _panel("Simple CFS", rows) + ([Panel("Accuracy lost", _RARITY, axis, lines)] if lines else [])


def forests(rows: Rows) -> list[Panel]:
    """The curves of forests and nets."""
    return _panel("Simple CFS", rows)


def structures(rows: Rows) -> list[Panel]:
    """One panel for each structure of the circuits."""
    titles: Mapping[tuple[str, bool], str] = {
        ("shift-add", True): "Shifts and adds",
        ("array", True): "Array multipliers",
        ("shift-add", False): "Without XOR",
    }
    return [
        panel
        for (multiplier, xor), title in titles.items()
        for panel in _panel(title, some(rows, multiplier=multiplier, xor=xor))
    ]


def no_rare(rows: Rows) -> list[Panel]:
    """How many examples show no rare value."""
    lines = [
        Line(_NAMES[net], [_free(row.record) for row in here], _STYLES[net])
        for net in ("short", "long", "random")
        if (here := some(rows, net=net))
    ]
    axis = Axis("share of examples", low=0.0, high=1.0, percent=True)
    return (
        [Panel("Examples without an l-rare value", Axis(_RARITY.title, "log"), axis, lines)] if lines else []
    )


def _loss(record: Record) -> list[Point]:
    return curve([0, *record["limits"]], [0.0, *(record["baseline"] - value for value in record["accuracy"])])


def _free(record: Record) -> list[Point]:
    return curve(record["limits"], [count / record["examples"] for count in record["no_rare"]])


def noise(rows: Rows) -> list[Panel]:
    """Curves under noise, beside those under CFS."""
    return _panel("Noise on every gate", rows, "noise") + _panel("Simple CFS", rows)


def epochs(rows: Rows) -> list[Panel]:
    """Curves of one training after each of its stops, for each share of random labels and kind."""
    kinds = {"simple": "Simple CFS", "composite": "Composite CFS", "noise": "noise"}
    shares = {"half": (0.5, "Half random"), "third": (2 / 3, "A third random")}
    found = []
    for net, (level, words) in shares.items():
        for kind, title in kinds.items():
            here = some(rows, net=net, kind=kind)
            stops = sorted({row.config["epochs"] for row in here})
            lines = [
                Line(f"{stop} ep.", [points(row.record, kind) for row in some(here, epochs=stop)], style % 6)
                for style, stop in enumerate(stops)
            ]
            if lines:
                axis = _NOISE if kind == "noise" else _RARITY
                # The mark has no name: it would stand where the curves begin.
                found.append(Panel(f"{words}: {title}", axis, accuracy(), lines, (level, "")))
    return found


def random_values(rows: Rows) -> list[Panel]:
    """Random values beside opposite ones."""
    return _panel("Random values", rows, "random") + _panel("Opposite values (Simple)", rows)


def memory(rows: Rows) -> list[Panel]:
    """A table, a tree and a net; networks of luts, whose question has two answers."""
    of_luts = some(rows, model="luts")
    others = [row for row in rows if row.config["model"] != "luts"]
    return _panel("Table, balanced tree, net", others) + _panel(
        "Networks of luts", of_luts, chance=(0.5, "chance")
    )
