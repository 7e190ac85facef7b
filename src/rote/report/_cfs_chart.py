"""CFS curves: accuracy against what counts as rare."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from rote.report import _words
from rote.report._lines import Curve, line_chart
from rote.report._svg import Axis

Record = Mapping[str, Any]
#: A circuit's name at the end of its line, its kind of curve, and its record.
Named = tuple[str, str, Record]


def accuracy_chart(circuits: Sequence[Named], *, chance: float, noise: bool = False) -> Markup:
    """Accuracy at each limit, from the plain circuit on.

    Args:
        circuits: What to draw, with ``limits``, ``baseline`` and ``accuracy``.
        chance: Share of the commonest class, the dotted line.
        noise: Whether limits are the k of probabilities 2^-k.

    Example:
        >>> record = {"limits": [1, 2], "baseline": 1.0, "accuracy": [0.9, 0.5]}
        >>> accuracy_chart([("net", "s0", record)], chance=0.1).count('class="line s0"')
        1
    """
    curves = [
        _line(name, css, circuit, circuit["accuracy"], None if noise else circuit["baseline"])
        for name, css, circuit in circuits
    ]
    if noise:
        curves = [replace(curve, x=tuple(-k for k in curve.x)) for curve in curves]
    level = _words.known(chance) or 0.0
    least = min([level, *(value for curve in curves for value in curve.mean)])
    title = "Accuracy under noise" if noise else "Accuracy when rare values are perturbed"
    y_axis = Axis("accuracy", max(int(least * 10 - 0.5) / 10, 0), 1, percent=True)
    x = _axis(circuits[0][2], noise)
    reference = (level, "")  # the caption says what it is
    return line_chart(curves, x, y_axis, alt=_alt(title, curves), width=420, height=290, reference=reference)


def free_chart(circuits: Sequence[Named]) -> Markup:
    """The share of examples without a rare value, at each limit.

    Example:
        >>> record = {"limits": [1, 2], "no_rare": [9, 3], "examples": 10}
        >>> free_chart([("net", "s0", record)]).count('class="line s0"')
        1
    """
    curves = [
        _line(name, css, circuit, [count / circuit["examples"] for count in circuit["no_rare"]], None)
        for name, css, circuit in circuits
    ]
    y_axis = Axis("share of the examples", 0, 1, percent=True)
    alt = _alt("Examples without a rare value anywhere", curves)
    return line_chart(curves, _axis(circuits[0][2], False), y_axis, alt=alt, width=420, height=290)


def audit_charts(circuit: Record | None, chance: float) -> list[Markup]:
    """An audit's curves, of given labels and control: accuracy, and what is kept of it above chance.

    Args:
        circuit: What the audit found; None, or with ``why_not``, where nothing was compiled.
        chance: Share of the commonest class.

    Returns:
        Two drawings, or none.

    Example:
        >>> audit_charts({"why_not": "It has a layer that cannot be."}, 0.1)
        []
    """
    if circuit is None or circuit["why_not"]:
        return []
    named = [("given", "real", circuit["real"]), ("control", "control", circuit["control"])]
    kept = [
        _line(name, css, found, found["kept"], 1.0) for name, css, found in named if found["kept"] is not None
    ]
    title = "Share that is kept of accuracy above chance"
    y_axis, x = Axis("kept of what is above chance", 0, 1, percent=True), _axis(circuit["real"], False)
    share = line_chart(kept, x, y_axis, alt=_alt(title, kept), width=420, height=290)
    return [accuracy_chart(named, chance=chance), share]


def _line(name: str, css: str, circuit: Record, values: Sequence[float | None], plain: float | None) -> Curve:
    """A value at each limit, and at 0 that of the plain circuit; what is unknown is left out."""
    points = [(0.0, _words.known(plain))]
    points += [(at, _words.known(value)) for at, value in zip(circuit["limits"], values, strict=True)]
    found = [(at, value) for at, value in points if value is not None]
    x, y = tuple(at for at, _ in found), tuple(value for _, value in found)
    return Curve(name, css, x, y, y, y, 1)


def _axis(circuit: Record, noise: bool) -> Axis:
    limits = circuit["limits"]
    if noise:
        low = -limits[0]
        return Axis("log₂ of the probability of a flip", low, max(-limits[-1], low + 1), whole=True)
    return Axis("l: a value on so few examples is rare (0: plain)", 0, max(limits[-1], 1), "log1p")


def _alt(title: str, curves: Sequence[Curve]) -> str:
    said = " ".join(
        f"{curve.name}: from {_words.percent(curve.mean[0], 1)} to {_words.percent(curve.mean[-1], 1)}."
        for curve in curves
        if curve
    )
    return f"{title}. {said}"
