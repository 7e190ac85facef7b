"""The stability bound as a page: which steps it rests on, and what it takes for granted."""

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from rote.report._figures import Figure
from rote.report._lines import MOST_POINTS, Curve, line_chart
from rote.report._page import _environment
from rote.report._svg import Axis
from rote.report._words import DASH, fixed, known, number, percent

if TYPE_CHECKING:  # a page is written without loading torch
    from rote.gradients import StabilityFactors, StabilityReport

Floats = NDArray[np.float64]
_PHASES = 10


def stability_page(report: "StabilityReport", factors: "StabilityFactors") -> str:
    """The bound of :class:`rote.gradients.StabilityAccountant` as one HTML page.

    It draws each step's share of the bound, and the factors that make it: amplification by the steps that
    follow, incoherence ``√(2(1−α))``, and the gradients' size. It needs nothing but itself: no network, no
    script, no other file; the same record gives the same page.

    Args:
        report: ``accountant.report()``.
        factors: ``accountant.factors()``.

    Returns:
        The page.

    Example:
        >>> from rote.gradients import StabilityAccountant
        >>> accountant = StabilityAccountant(1000, lipschitz=2.0, smoothness=1.0)
        >>> accountant.step(alpha=0.5, learning_rate=0.1)
        >>> page = stability_page(accountant.report(), accountant.factors())
        >>> page.count("<svg"), "plain SGD" in page
        (3, True)
    """
    page = _environment().get_template("stability.html.j2")
    return page.render(
        report=report,
        headline=_headline(factors),
        verdict=_raised(report.verdict),
        tiles=_tiles(report),
        figures=stability_figures(report, factors),
        phases=_phases(factors),
    )


def stability_figures(report: "StabilityReport", factors: "StabilityFactors") -> list[Figure]:
    """One chart for each factor; those that were not measured, or never change, are left out.

    Example:
        >>> from rote.gradients import StabilityAccountant
        >>> accountant = StabilityAccountant(1000, lipschitz=2.0, smoothness=1.0)
        >>> for rate in (0.1, 0.2):
        ...     accountant.step(alpha=0.5, learning_rate=rate)
        >>> [figure.title for figure in stability_figures(accountant.report(), accountant.factors())]
        ['Share of the bound', 'Amplification by later steps', 'Incoherence √(2(1−α))', 'Step size η']
    """
    if not len(factors):
        return []
    measured = bool(np.isfinite(factors.gradient_norm).any())
    sharper = _log10(factors.sharper_share)
    shares = [("with L", "control", _log10(factors.share)), ("with ḡ", "real", sharper)]
    figures = [
        _logarithmic("Share of the bound", shares if measured else [("share", "real", sharper)]),
        _logarithmic("Amplification by later steps", [("factor", "real", factors.log10_amplification)]),
        _incoherence(factors.incoherence),
    ]
    if measured:
        limit = report.lipschitz or 0.0
        top, level = max(limit, float(np.nanmax(factors.gradient_norm))), (limit, f"L = {number(limit)}")
        axis = Axis("Gradient norm ḡ", 0, 1.1 * top or 1.0)
        figures.append(_figure([("ḡ", "real", factors.gradient_norm)], axis, number, level))
    if np.ptp(factors.learning_rate) > 0:
        axis = Axis("Step size η", 0, 1.1 * float(factors.learning_rate.max()))
        figures.append(_figure([("η", "real", factors.learning_rate)], axis, number, None))
    return figures


Named = Sequence[tuple[str, str, Floats]]


def _logarithmic(title: str, named: Named) -> Figure:
    """Curves given by their decimal logarithms, on a logarithmic axis, or in powers of ten beyond one."""
    logs = np.concatenate([values[np.isfinite(values)] for _, _, values in named])
    low, high = (float(logs.min()), float(logs.max())) if len(logs) else (-1.0, 0.0)
    short = max(1 - (high - low), 0) / 2  # an axis of at least one power of ten has ticks
    low, high = low - short, high + short
    if low >= -12 and high <= 15:
        axis = Axis(title, 10 ** (low - 0.05), 10 ** (high + 0.05), "log")
        values = [(name, css, 10 ** np.maximum(v, low)) for name, css, v in named]
        return _figure(values, axis, lambda value: _plain(math.log10(value)), None)
    axis = Axis(f"{title}, log₁₀", math.floor(low), math.ceil(high))
    return _figure([(n, c, np.maximum(v, low)) for n, c, v in named], axis, number, None)


def _incoherence(values: Floats) -> Figure:
    """From a little below the smallest value to a little above √2, since α is small in most runs."""
    most = math.sqrt(2)
    below = max(most - float(values.min()), 0.01)
    axis = Axis("Incoherence √(2(1−α))", max(most - 1.2 * below, 0.0), most + 0.2 * below)
    return _figure([("factor", "real", values)], axis, lambda value: number(value, 4), (most, "√2: α = 0"))


def _figure(
    named: Named,
    y: Axis,
    write: Callable[[float], str],
    reference: tuple[float, str] | None,
) -> Figure:
    curves = [curve for name, css, values in named if (curve := binned(values, name=name, css=css))]
    rows = tuple(
        (curve.name, write(curve.mean[0]), write(max(curve.mean)), write(curve.mean[-1])) for curve in curves
    )
    said = " ".join(f"{name}: from {first} to {last}, at most {most}." for name, first, most, last in rows)
    steps = len(named[0][2])
    x = Axis("step", 1, max(steps, 2), whole=True)
    return Figure(y.title, line_chart(curves, x, y, alt=f"{y.title}. {said}", reference=reference), rows)


def binned(values: Floats, *, name: str, css: str) -> Curve:
    """A value per step as a curve of at most ``MOST_POINTS``: medians of neighbours, with their range.

    Args:
        values: Shape ``[T]``; nan where unknown.
        name: As written at the curve's end.
        css: Kind of curve.

    Example:
        >>> curve = binned(np.array([1.0, np.nan, 3.0]), name="a", css="real")
        >>> curve.x, curve.mean, curve.seeds
        ((1.0, 3.0), (1.0, 3.0), 1)
    """
    parts = np.array_split(np.arange(len(values)), min(len(values), MOST_POINTS)) if len(values) else []
    found = [(part.mean() + 1, values[part][np.isfinite(values[part])]) for part in parts]
    found = [(at, here) for at, here in found if len(here)]
    return Curve(
        name,
        css,
        tuple(float(at) for at, _ in found),
        tuple(float(np.median(here)) for _, here in found),
        tuple(float(here.min()) for _, here in found),
        tuple(float(here.max()) for _, here in found),
        2 if len(values) > MOST_POINTS else 1,  # more than one value at a position: it has a band
    )


def _headline(factors: "StabilityFactors") -> str:
    first, steps = math.ceil(len(factors) / _PHASES), len(factors)
    share = float(factors.sharper_share[:first].sum())
    if not steps:
        return "No step was taken yet"
    if not factors.sharper_share.any():
        return "Nothing in this run could set training and test loss apart"
    if steps < _PHASES:
        return f"The stability bound after {steps} step{'s' if steps > 1 else ''}"
    much = f"over {percent(0.999)}" if share > 0.999 else percent(share)
    return f"The first {number(first)} of {number(steps)} steps make up {much} of the bound"


def _tiles(report: "StabilityReport") -> list[tuple[str, Markup | str]]:
    return [
        ("bound on the gap", power(report.bound.sharper_log10)),
        ("with L for every gradient", power(report.bound.log10)),
        ("L", number(report.lipschitz)),
        ("β", number(report.smoothness)),
        ("examples m", number(report.m)),
        ("steps T", number(report.steps)),
    ]


def _phases(factors: "StabilityFactors") -> list[tuple[Markup | str, ...]]:
    """Tenths of the run: steps, share, and the medians of amplification, incoherence, norm and step size."""
    rows: list[tuple[Markup | str, ...]] = []
    share = factors.sharper_share
    for part in np.array_split(np.arange(len(factors)), max(min(len(factors), _PHASES), 1)):
        if not len(part):
            continue
        ends = [number(int(i) + 1) for i in (part[0], part[-1])]
        norms = factors.gradient_norm[part]
        norms = norms[np.isfinite(norms)]
        rows.append(
            (
                "–".join(dict.fromkeys(ends)),
                percent(float(share[part].sum()), 1),
                power(float(np.median(factors.log10_amplification[part]))),
                fixed(float(np.median(factors.incoherence[part])), 3),
                number(float(np.median(norms))) if len(norms) else DASH,
                number(float(np.median(factors.learning_rate[part]))),
            )
        )
    return rows


def power(log10: float) -> Markup | str:
    """A number known by its logarithm, as a page writes it.

    Example:
        >>> power(312.5), power(math.log10(0.05)), power(-math.inf)
        (Markup('10<sup>312</sup>'), '0.05', '0')
    """
    if known(log10) is not None and not -4 <= log10 < 6:
        return Markup("10<sup>{}</sup>").format(number(math.floor(log10)))
    return _plain(log10)


def _raised(sentence: str) -> Markup:
    """Powers of ten set as such.

    Example:
        >>> _raised("It is 10^12 <times> more.")
        Markup('It is 10<sup>12</sup> &lt;times&gt; more.')
    """
    return Markup(re.sub(r"10\^(\d+)", r"10<sup>\1</sup>", str(escape(sentence))))


def _plain(log10: float) -> str:
    """The same as plain text."""
    if log10 == -math.inf:
        return "0"
    if -4 <= log10 < 6:
        return number(10**log10) if log10 >= -2 else f"{10**log10:.3g}"
    return f"10^{math.floor(log10)}"


def _log10(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        logs: Floats = np.log10(values)
    return logs
