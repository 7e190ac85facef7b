"""How accurate the learners are, drawn against what was varied."""

from collections.abc import Sequence

from rote.studies._panels import Axis, Line, Panel, Point, curve
from rote.studies._study import Rows, some
from rote.studies.learning_and_memorization._bits import LABELS

CHANCE = (0.5, "chance")
_FIRST, _SECOND = ("naive Bayes", "logistic", "neighbours"), ("forest", "boosting", "perceptron")
_SHORT = {"naive Bayes": "Bayes", "neighbours": "5-NN", "perceptron": "MLP", "network": "luts"}


def accuracy(low: float = 0.4) -> Axis:
    """The vertical axis that all panels have."""
    return Axis("accuracy", low=low, high=1.0, percent=True)


def swept(rows: Rows, name: str, axis: Axis) -> list[Panel]:
    """Accuracy against one parameter, for real and for permuted labels as far as there are."""
    found = []
    for labels in LABELS:
        lines = [
            Line(part, runs, style)
            for style, part in enumerate(("train", "test"))
            if (runs := _against(some(rows, labels=labels), name, part))
        ]
        if lines:
            found.append(Panel(f"{labels.capitalize()} labels", axis, accuracy(), lines, CHANCE))
    return found


def over_k(rows: Rows) -> list[Panel]:
    """Accuracy against the inputs of a lut."""
    return swept(rows, "k", Axis("k, inputs of a lut"))


def over_depth(rows: Rows) -> list[Panel]:
    """Accuracy against hidden layers."""
    return swept(rows, "depth", Axis("hidden layers", "log1p"))


def over_width(rows: Rows) -> list[Panel]:
    """Accuracy against luts in a layer."""
    return swept(rows, "width", Axis("luts in a layer", "log"))


def over_layers(rows: Rows) -> list[Panel]:
    """Mean accuracy of the luts of each layer, and how many of their entries were never seen."""
    found = []
    for labels in LABELS:
        here = some(rows, labels=labels)
        lines = [
            Line(part, [_numbered(row.record[f"layers_{part}"]) for row in here], style)
            for style, part in enumerate(("train", "test"))
        ]
        if here:
            title = f"One lut, {labels} labels"
            found.append(Panel(title, Axis("layer"), accuracy(), lines, CHANCE))
    unseen = [
        Line(labels, [_numbered(row.record["unseen"]) for row in here], 2 + style)
        for style, labels in enumerate(LABELS)
        if (here := some(rows, labels=labels))
    ]
    if unseen:
        axis = Axis("share of entries", low=0.0, high=1.0, percent=True)
        found.append(Panel("Entries that no example has", Axis("layer"), axis, unseen))
    return found


def table_and_network(rows: Rows) -> list[Panel]:
    """One table of all inputs beside a network of small ones, against training examples."""
    found = []
    for learner, title in (("table", "One table"), ("network", "A network")):
        for labels in LABELS:
            here = some(rows, learner=learner, labels=labels)
            lines = [
                Line(part, _over_examples(here, part), style) for style, part in enumerate(("train", "test"))
            ]
            if here:
                axis = Axis("training examples", "log")
                found.append(Panel(f"{title}, {labels} labels", axis, accuracy(), lines, CHANCE))
    return found


def beside_standard(rows: Rows) -> list[Panel]:
    """Test accuracy against training examples, of the network and of standard learners."""
    found = []
    for names, title in ((_FIRST, "the simpler ones"), (_SECOND, "the stronger ones")):
        lines = [
            Line(_SHORT.get(name, name), runs, style)
            for style, name in enumerate(("network", *names))
            if (runs := _over_examples(some(rows, learner=name), "test"))
        ]
        if lines:
            axis = Axis("training examples", "log")
            found.append(Panel(f"Test accuracy: {title}", axis, accuracy(0.6), lines))
    return found


def over_pairs(rows: Rows) -> list[Panel]:
    """All pairs of classes, from the one with the lowest test accuracy to the one with the highest."""
    found = []
    for labels in LABELS:
        here = some(rows, labels=labels)
        lines = [
            Line(part, [ranked(row.record[part], row.record["test"]) for row in here], style)
            for style, part in enumerate(("train", "test"))
        ]
        if here:
            axis = Axis("pairs, by test accuracy")
            found.append(Panel(f"{labels.capitalize()} labels", axis, accuracy(0.0), lines, CHANCE))
    return found


def ranked(values: Sequence[float], by: Sequence[float]) -> list[Point]:
    """Values against their place in an order.

    Example:
        >>> ranked([0.1, 0.2, 0.3], by=[5, 4, 6])
        [(1, 0.2), (2, 0.1), (3, 0.3)]
    """
    order = sorted(range(len(by)), key=lambda i: by[i])
    return [(place, values[i]) for place, i in enumerate(order, 1)]


def _numbered(values: Sequence[float]) -> list[Point]:
    return curve(range(1, len(values) + 1), values)


def _against(rows: Rows, name: str, part: str) -> list[list[Point]]:
    seeds = sorted({row.seed for row in rows})
    return [sorted((r.config[name], r.record[part]) for r in rows if r.seed == seed) for seed in seeds]


def _over_examples(rows: Rows, part: str) -> list[list[Point]]:
    seeds = sorted({row.seed for row in rows})
    return [sorted((r.record["examples"], r.record[part]) for r in rows if r.seed == seed) for seed in seeds]
