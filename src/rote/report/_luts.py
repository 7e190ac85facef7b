"""Networks of lookup tables as a page: what the luts of each layer know, and what they have not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rote.errors import InputError
from rote.report import _words
from rote.report._figures import Figure
from rote.report._lines import Curve, line_chart
from rote.report._page import _environment
from rote.report._ridges import Ridge, ridges
from rote.report._svg import Axis

SCHEMA, MOST_MODELS = 1, 8
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """One model as it stands on the page.

    Attributes:
        model: Its record.
        words: What its layers come to, in a sentence.
        ridges: How accuracy spreads over the luts of each layer.
        figures: Accuracy, unseen entries and patterns seen once, by layer.
        rows: The same in numbers: a row for each layer, or group of neighbouring layers.
    """

    model: Record
    words: str
    ridges: Markup
    figures: tuple[Figure, ...]
    rows: tuple[tuple[str, ...], ...]


def luts_page(record: Record) -> str:
    """What ``rote lut fit`` learnt, as one HTML page that needs nothing but itself.

    Args:
        record: What it found, schema 1.

    Returns:
        The page; the same record gives the same one, byte for byte.

    Raises:
        InputError: If the record has another schema.

    Example:
        >>> luts_page({"schema": 0})
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `record` must have schema 1, but has 0: make it again with this version.
    """
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"`record` must have schema {SCHEMA}, but has {record.get('schema')}: make it again with this "
            f"version."
        )
    models = record["models"]
    page = _environment().get_template("luts.html.j2")
    return page.render(
        record=record,
        headline=_headline(record["data"]["name"], models),
        tiles=_tiles(models),
        shown=[_shown(model) for model in models[:MOST_MODELS]],
        more=max(len(models) - MOST_MODELS, 0),
        options=options_in_words(record["options"]),
    )


def _headline(name: str, models: Sequence[Record]) -> str:
    accuracy = _words.percent(sum(model["test_accuracy"] for model in models) / len(models), 1)
    mean = "on average " if len(models) > 1 else ""
    return f"Tables alone answer {mean}{accuracy} of the test examples of {_words.clip(name, 40)}"


def _tiles(models: Sequence[Record]) -> list[tuple[str, str]]:
    first, count = models[0], len(models)
    test, train = (sum(m[key] for m in models) / count for key in ("test_accuracy", "train_accuracy"))
    return [
        ("test accuracy", _words.percent(test, 1)),
        ("training accuracy", _words.percent(train, 1)),
        ("luts", _words.number(sum(model["luts"] for model in models))),
        ("table bits", _words.number(sum(model["entries"] for model in models))),
        ("training examples", _words.number(first["train"])),
        ("input bits", _words.number(first["inputs"])),
    ]


def _shown(model: Record) -> Shown:
    layers = model["layers"]
    rows = tuple(
        (
            span(layer),
            _words.number(layer["luts"]),
            _words.number(layer["k"]),
            _range(layer["accuracy"]),
            _range(layer["test_accuracy"]),
            _words.percent(layer["unseen"]["mean"], 1),
            _words.percent(layer["once"]["mean"], 1),
        )
        for layer in layers
    )
    return Shown(model, _in_words(model), _ridges(model), layer_figures(model), rows)


def options_in_words(options: Record) -> list[tuple[str, str]]:
    """Options of a network as a table shows them, sorted by name.

    Example:
        >>> options_in_words({"skip": 0.25, "replacement": False, "k": 4, "search_examples": None})
        [('k', '4'), ('replacement', 'no'), ('search_examples', '–'), ('skip', '0.25')]
    """
    found = []
    for name, value in sorted(options.items()):
        shown = ("yes" if value else "no") if isinstance(value, bool) else value
        found.append((name, _words.number(shown) if isinstance(shown, int | float) else _words.clip(shown)))
    return found


def span(layer: Record) -> str:
    """Which layers a record is of.

    Example:
        >>> span({"first": 3, "last": 3}), span({"first": 1, "last": 25})
        ('3', '1–25')
    """
    return str(layer["first"]) if layer["first"] == layer["last"] else f"{layer['first']}–{layer['last']}"


def _range(spread: Record) -> str:
    mean = _words.percent(spread["mean"], 1)
    if spread["low"] == spread["high"]:
        return mean
    low, high = (f"{100 * spread[key]:.1f}" for key in ("low", "high"))
    return f"{mean} ({low}–{high})"


def _in_words(model: Record) -> str:
    """The first layer's luts, the last's, and what they come to."""
    layers = model["layers"]
    first, last = layers[0], layers[-1]
    if last["first"] == last["last"] and last["luts"] == model["networks"] and len(layers) > 1:
        last = layers[-2]  # the last lut is the answer itself
    train, test = (_words.percent(model[key], 1) for key in ("train_accuracy", "test_accuracy"))
    said = _layer_in_words(first, "answers {} of the training examples and {} of the test examples rightly")
    if last is not first:
        said += ", " + _layer_in_words(last, "{} and {}", who="one")
    return f"On average {said}. All together answer {train} and {test}."


def _layer_in_words(layer: Record, does: str, *, who: str = "a lut") -> str:
    word = "layer" if layer["first"] == layer["last"] else "layers"
    means = (_words.percent(layer[key]["mean"], 1) for key in ("accuracy", "test_accuracy"))
    comma = "," if does.startswith("{") else ""
    return f"{who} of {word} {span(layer)}{comma} {does.format(*means)}"


def _ridges(model: Record) -> Markup:
    low, high = model["reach"]
    rows = [
        Ridge(("layers " if row["first"] != row["last"] else "layer ") + span(row), row["train"], row["test"])
        for row in model["ridges"]
    ]
    said = " ".join(
        f"Layer {span(layer)}: {_range(layer['accuracy'])}." for layer in model["layers"][:: _stride(model)]
    )
    alt = f"How accuracy on training and on test examples spreads over the luts of each layer. {said}"
    constant = model["constant"]
    mark = (constant, "one answer for all")
    return ridges(
        rows, Axis("share of examples answered rightly", low, high, percent=True), alt=alt, mark=mark
    )


def _stride(model: Record) -> int:
    return max(1, len(model["layers"]) // 6)


def layer_figures(model: Record) -> tuple[Figure, ...]:
    """Accuracy, unseen entries and patterns seen once over layers: means, and bands from lowest to highest.

    Example:
        >>> spread = {"mean": 0.5, "low": 0.4, "high": 0.6}
        >>> keys = ("accuracy", "test_accuracy", "unseen", "once")
        >>> layer = dict.fromkeys(keys, spread) | {"first": 1, "last": 1}
        >>> [figure.title for figure in layer_figures({"layers": [layer], "constant": 0.5})]
        ['Accuracy of a lut', 'Entries never seen', 'Entries seen once']
    """
    layers = model["layers"]
    x = Axis("layer", 1, max(layers[-1]["last"], 2), whole=True)

    def drawn(title: str, keys: Sequence[tuple[str, str, str]], low: float, high: float) -> Figure:
        curves = [_curve(layers, key, name, css) for key, name, css in keys]
        said = " ".join(f"{c.name}: {', '.join(_words.percent(v, 1) for v in c.mean[:12])}." for c in curves)
        y = Axis(title, low, high, percent=True)
        return Figure(title, line_chart(curves, x, y, alt=f"{title} by layer. {said}"))

    low = min(layer[key]["low"] for layer in layers for key in ("accuracy", "test_accuracy"))
    both = (("accuracy", "training", "real"), ("test_accuracy", "test", "control"))
    most = max(layer["once"]["high"] for layer in layers)
    return (
        drawn("Accuracy of a lut", both, min(int(low * 10) / 10, 0.9), 1.0),
        drawn("Entries never seen", (("unseen", "unseen", "real"),), 0.0, 1.0),
        drawn("Entries seen once", (("once", "once", "real"),), 0.0, max(0.1, min(1.0, 1.1 * most))),
    )


def _curve(layers: Sequence[Record], key: str, name: str, css: str) -> Curve:
    return Curve(
        name,
        css,
        tuple((layer["first"] + layer["last"]) / 2 for layer in layers),
        tuple(layer[key]["mean"] for layer in layers),
        tuple(layer[key]["low"] for layer in layers),
        tuple(layer[key]["high"] for layer in layers),
        2,  # so that the band is drawn
    )
