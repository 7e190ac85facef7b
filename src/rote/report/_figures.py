"""The figures of the audit's page, drawn from its record; each with its numbers in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from rote.report._heatmap import Grid, breaks, gather, heat_map, legend
from rote.report._lines import Curve, line_chart, over_seeds
from rote.report._map import data_map, marked
from rote.report._svg import Axis
from rote.report._words import clip, known, number, percent

Record = Mapping[str, Any]

# Title and key of each panel, and what is on it: which runs, name at the line's end, kind of curve.
_BOTH = (("real", "given", "real"), ("control", "control", "control"))
_PANELS = (
    ("Accuracy on what it trains on", "train_accuracy"),
    ("Accuracy on held-out training examples", "held_out_accuracy"),
    ("Accuracy on test examples", "test_accuracy"),
)


@dataclass(frozen=True)
class Figure:
    """A drawing and the same in words.

    Attributes:
        title: What it shows.
        drawing: An ``<svg>`` element.
        rows: Rows of the table that says the same: a name and its values.
    """

    title: str
    drawing: Markup
    rows: tuple[tuple[str, ...], ...] = ()


def learning_curves(record: Record) -> list[Figure]:
    """One panel each for training, held-out and test accuracy, and one for planted noise where there was any.

    Args:
        record: The audit's record.

    Returns:
        The panels of which anything is known; rows are (curve, first, best, last).

    Example:
        >>> point = dict.fromkeys(["held_out_accuracy", "test_accuracy", "corrupt_accuracy"])
        >>> point |= {"epoch": 1, "train_accuracy": 0.5, "pristine_accuracy": 0.5}
        >>> [figure.title for figure in learning_curves({"curves": {"real": [[point]], "control": []}})]
        ['Accuracy on what it trains on']
    """
    runs = record["curves"]
    last = max((p["epoch"] for kind in runs.values() for run in kind for p in run), default=1)
    figures = []
    for title, key in _PANELS:
        curves = [
            over_seeds(runs[which], "epoch", itemgetter(key), name=name, css=css)
            for which, name, css in _BOTH
        ]
        figures.append(_accuracy(title, curves, last))
    corrupt = over_seeds(runs["real"], "epoch", itemgetter("corrupt_accuracy"), name="corrupt", css="corrupt")
    pristine = over_seeds(
        runs["real"], "epoch", itemgetter("pristine_accuracy"), name="pristine", css="pristine"
    )
    if corrupt:  # without planted noise, pristine is all there is
        figures.append(_accuracy("Pristine and corrupt labels fitted", [pristine, corrupt], last))
    return [figure for figure in figures if figure.rows]


def _accuracy(title: str, curves: Sequence[Curve], last: int) -> Figure:
    rows = tuple(_ends(curve, lambda share: percent(share, 1), "epoch") for curve in curves if curve)
    drawing = line_chart(
        curves,
        Axis("epoch", 0, max(last, 1), whole=True),
        Axis(title, 0, 1, percent=True),
        alt=_in_words(title, rows),
    )
    return Figure(title, drawing, rows)


def coherence_chart(record: Record) -> Figure | None:
    """m-coherence of the whole network over steps, given labels against the control.

    Args:
        record: The audit's record.

    Returns:
        The chart, rows (curve, first, highest, last); None where nothing was measured.

    Example:
        >>> coherence_chart({"coherence": {"m": 100, "real": [], "control": []}}) is None
        True
    """
    measured = record["coherence"]
    curves = [
        over_seeds(measured[which], "step", itemgetter("m_coherence"), name=name, css=css)
        for which, name, css in _BOTH
    ]
    drawn = [curve for curve in curves if curve]
    if not drawn:
        return None
    rows = tuple(_ends(curve, number, "step") for curve in drawn)
    title = f"m-coherence of the whole network, m = {number(measured['m'])}"
    smallest = min(v for curve in drawn for v in curve.low)
    largest = max(v for curve in drawn for v in curve.high)
    drawing = line_chart(
        curves,
        Axis("step of training", 0, max(max(curve.x[-1] for curve in drawn), 1), "log1p"),
        Axis(title, min(max(smallest, 0.1), 0.8), max(largest * 1.2, 3.0), "log"),
        alt=_in_words(title, rows),
        width=400,
        height=300,
        reference=(1.0, "1: every example helps only itself"),
    )
    return Figure(title, drawing, rows)


def coherence_numbers(record: Record) -> list[tuple[str, ...]]:
    """The last look at coherence as text: (labels, m-coherence, unbiased coherence, gradient noise scale).

    Args:
        record: The audit's record.

    Returns:
        One row each for given labels and control, means over seeds.

    Example:
        >>> coherence_numbers({"coherence": {"m": 100, "real": [], "control": []}})
        []
    """
    rows = []
    for which, name in (("real", "given labels"), ("control", "control")):
        runs = [run[-1] for run in record["coherence"][which] if run]
        if runs:
            keys = ("m_coherence", "alpha_unbiased", "noise_scale")
            rows.append((name, *(number(_mean(run[key] for run in runs)) for key in keys)))
    return rows


@dataclass(frozen=True)
class LayerMaps:
    """The two heat maps and what they share.

    Attributes:
        figures: Given labels, then the control; rows are (layer, first, highest, last).
        legend: Each colour level's CSS class and the values it stands for.
        left_out: Layers that are not drawn.
    """

    figures: tuple[Figure, ...]
    legend: tuple[tuple[str, str], ...]
    left_out: int


def layer_maps(record: Record) -> LayerMaps | None:
    """Layer by step, for the given labels and the control, in the same colours.

    Args:
        record: The audit's record.

    Returns:
        The maps, or None where no layer was measured.

    Example:
        >>> layer_maps({"coherence": {"m": 100, "real": [], "control": []}}) is None
        True
    """
    grids = [(name, gather(record["coherence"][which])) for which, name in _HEADINGS]
    grids = [(name, grid) for name, grid in grids if grid.steps]
    if not grids:
        return None
    limits = breaks([grid for _, grid in grids])
    figures = tuple(
        Figure(name, heat_map(grid, limits, alt=_map_in_words(name, grid)), tuple(_layer_rows(grid)))
        for name, grid in grids
    )
    return LayerMaps(figures, tuple(legend(limits)), max(grid.left_out for _, grid in grids))


_HEADINGS = (("real", "Given labels"), ("control", "Control"))


def _layer_rows(grid: Grid) -> list[tuple[str, ...]]:
    rows = []
    for name, values in zip(grid.layers, grid.values, strict=True):
        found = [value for value in values if value is not None]
        shown = [number(v) for v in (found[0], max(found), found[-1])] if found else [number(None)] * 3
        rows.append((clip(name), *shown))
    return rows


def _map_in_words(name: str, grid: Grid) -> str:
    ends = [(row[-1], layer) for layer, row in zip(grid.layers, grid.values, strict=True)]
    finite = [(value, layer) for value, layer in ends if value is not None]
    if not finite:
        return f"{name}: m-coherence of {len(grid.layers)} layers over {len(grid.steps)} steps."
    (low, lowest), (high, highest) = min(finite), max(finite)
    return (
        f"{name}: m-coherence of {len(grid.layers)} layers over {len(grid.steps)} steps. At the end it is "
        f"lowest in {clip(lowest)} ({number(low)}) and highest in {clip(highest)} ({number(high)})."
    )


def map_of_examples(record: Record) -> Figure | None:
    """The data map, suspects marked.

    Args:
        record: The audit's record.

    Returns:
        The map; None where no example is on it.

    Example:
        >>> map_of_examples({"map": {"confidence": [], "variability": [], "score": [], "of": 0}}) is None
        True
    """
    given = record["map"]
    confidence, variability, scores = (
        [known(value) for value in given[key]] for key in ("confidence", "variability", "score")
    )
    if not any(c is not None and v is not None for c, v in zip(confidence, variability, strict=True)):
        return None
    listed = [known(suspect["score"]) for suspect in record["suspects"]]
    found = [score for score in listed if score is not None]
    total = record["suspects_total"]
    complete = found and len(listed) >= total
    suspects = marked(scores, min(found) if complete else None, total / max(given["of"], 1))
    by_kind = (("suspects", True), ("other examples", False))
    rows = tuple(
        (name, number(sum(s is kind for s in suspects)), *_middle(confidence, variability, suspects, kind))
        for name, kind in by_kind
    )
    alt = "Confidence against variability. " + " ".join(
        f"{name}: {count} shown, mean confidence {c}, mean variability {v}." for name, count, c, v in rows
    )
    title = f"Data map of {number(len(scores))} of {number(given['of'])} examples"
    return Figure(title, data_map(confidence, variability, suspects, alt=alt), rows)


def _middle(
    confidence: Sequence[float | None],
    variability: Sequence[float | None],
    suspects: Sequence[bool],
    kind: bool,
) -> tuple[str, str]:
    chosen = [(c, v) for c, v, s in zip(confidence, variability, suspects, strict=True) if s is kind]
    return number(_mean(c for c, _ in chosen)), number(_mean(v for _, v in chosen))


def _ends(curve: Curve, write: Callable[[float], str], unit: str) -> tuple[str, ...]:
    """A curve in words: first, highest, last."""
    highest = max(curve.mean)
    when = curve.x[curve.mean.index(highest)]
    name = {"given": "given labels"}.get(curve.name, curve.name)
    return name, write(curve.mean[0]), f"{write(highest)} ({unit} {when:g})", write(curve.mean[-1])


def _in_words(title: str, rows: Sequence[Sequence[str]]) -> str:
    said = " ".join(f"{name}: from {first} to {last}, at most {most}." for name, first, most, last in rows)
    return f"{title}. {said}"


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in map(known, values) if value is not None]
    return sum(found) / len(found) if found else None
