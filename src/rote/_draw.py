"""One call that draws what :mod:`rote.dynamics` found."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rote.dynamics import Contours, Copies, Curves, DepthProfile, LayerTime, Maximised
from rote.dynamics import Path as StraightLine
from rote.errors import InputError
from rote.report import panels_drawing
from rote.studies import Axis, Line, Panel, Pictures, Tile, curve

MOST_TILES = 64
"""So many pictures are shown at most."""
_LINES = 6
_TIMES = 5
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Drawing:
    """Panels and pictures; a notebook shows it.

    Attributes:
        title: Written above.
        panels: What is drawn.

    Example:
        >>> drawing = Drawing("Filters", (Pictures("", [Tile([[0.0, 1.0]])], 0, 1),))
        >>> drawing.svg()[:4]
        '<svg'
    """

    title: str
    panels: tuple[Panel | Pictures, ...]

    def svg(self) -> str:
        """An SVG file that stands alone, in light and dark."""
        return panels_drawing(self.title, [panel.to_dict() for panel in self.panels])

    def save(self, path: str | Path) -> Path:
        """Write it as an SVG file.

        Raises:
            InputError: If the name does not end in ``.svg``, or cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise InputError(f"`path` must end in .svg. Got {path.name!r}.")
        try:
            path.write_text(self.svg(), encoding="utf-8")
        except OSError as error:
            raise InputError(f"`path`: cannot write {path} ({error.strerror}); choose another.") from None
        return path

    def _repr_svg_(self) -> str:
        return self.svg()


def draw(found: object, *, title: str = "") -> Drawing:
    """Draw what a function of :mod:`rote.dynamics` found.

    Args:
        found: ``Curves`` of a recorder; a ``LayerTime``; the ``Path`` between two networks; ``Copies``, one
            or the list of an instability sweep; a ``DepthProfile``; ``Maximised`` images; ``Contours`` of
            units; or filters and other images as an array ``[k, h, w]`` or ``[k, c, h, w]``, of which
            channels are added up.
        title: Written above; what is drawn says so itself unless told.

    Returns:
        A drawing that a notebook shows and that ``save`` writes.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> from rote.dynamics import Recorder
        >>> recorder = Recorder(simple=[0, 1, 1, 1], labels=[0, 0, 1, 1])
        >>> recorder.add(0, [0, 1, 1, 1])
        >>> recorder.add(9, [0, 0, 1, 1])
        >>> drawing = draw(recorder.curves())
        >>> [panel.title for panel in drawing.panels]
        ['Information on the label', 'Accuracy']
    """
    name, panels = _drawn(found)
    return Drawing(title or name, tuple(panels))


@singledispatch
def _drawn(found: object) -> tuple[str, list[Panel | Pictures]]:
    copies = list(found) if isinstance(found, Sequence) and not isinstance(found, str) else []
    if copies and all(isinstance(each, Copies) for each in copies):
        return _of_copies(copies)
    detach = getattr(found, "detach", None)
    images = found if detach is None else detach().cpu().numpy()
    if isinstance(images, np.ndarray):
        return _of_images(images)
    raise InputError(
        "`found` must be Curves, LayerTime, Path, Copies or a list of them, DepthProfile, Maximised, "
        f"Contours, or an array of images. Got {type(found).__name__}."
    )


@_drawn.register
def _(found: Curves) -> tuple[str, list[Panel | Pictures]]:
    steps = found.steps.tolist()

    def line(measure: str, name: str, style: int) -> Line:
        low, high = (curve(steps, _known(ends[measure])) for ends in (found.low, found.high))
        band = (low, high) if low else None
        return Line(name, [curve(steps, _known(found.values[measure]))], style, band)

    shown = [line("model", "model", 0), line("shared", "shared", 1), line("unexplained", "beyond", 2)]
    simple = float(found.values["simple"][-1])
    bits = Panel(
        "Information on the label", Axis("step", "log1p"), Axis("bits"), shown, (simple, "simpler model")
    )
    accuracy = Panel(
        "Accuracy",
        Axis("step", "log1p"),
        Axis("accuracy", low=0.0, high=1.0, percent=True),
        [Line("model", [curve(steps, _known(found.accuracy))])],
        (found.simple_accuracy, "simpler model"),
    )
    return "What a simpler model explains", [bits, accuracy]


@_drawn.register
def _(found: LayerTime) -> tuple[str, list[Panel | Pictures]]:
    panels: list[Panel | Pictures] = []
    layers = _evenly(len(found.layers), _LINES)
    times = _evenly(len(found.steps), _TIMES)
    for measure, matrices in found.similarity.items():
        excess = found.excess(measure)
        lines = [
            Line(found.layers[i], [curve(found.steps, _known(excess[:, i]))], style)
            for style, i in enumerate(layers)
        ]
        there = Axis("share of the way", low=0.0, high=1.0, percent=True)
        panels.append(Panel(f"{measure}: settled", Axis("step", "log1p"), there, lines))
        tiles = [Tile(_rows(matrices[i]), f"step {found.steps[i]:,}") for i in times]
        title = f"{measure}: layers then and at the end"
        panels.append(Pictures(title, tiles, 0.0, 1.0, x="layer at the end", y="layer then", colours=measure))
    return "Layers over time", panels


@_drawn.register
def _(found: StraightLine) -> tuple[str, list[Panel | Pictures]]:
    shares = found.shares.tolist()

    def panel(title: str, values: Floats, *, percent: bool) -> Panel:
        half = (float(values[0]) + float(values[-1])) / 2, "mean of both"
        axis = Axis(title, percent=percent, low=min(0.0, float(values.min())))
        return Panel(
            title.capitalize(),
            Axis("share of the way"),
            axis,
            [Line("", [curve(shares, _known(values))])],
            half,
        )

    return "Between two networks", [
        panel("error", found.error, percent=True),
        panel("loss", found.loss, percent=False),
    ]


@_drawn.register
def _(found: Copies) -> tuple[str, list[Panel | Pictures]]:
    return _of_copies([found])


def _of_copies(copies: Sequence[Copies]) -> tuple[str, list[Panel | Pictures]]:
    """Barriers over k, every pair of copies a run; and the lines between those that parted first."""
    first = min(each.k for each in copies)
    seen: dict[tuple[int, tuple[int, int]], list[tuple[float, float]]] = {}
    for each in sorted(copies, key=lambda each: each.k):
        seen.setdefault((each.seed, each.orders), []).append((float(each.k), each.path.barrier()))
    barrier = Panel(
        "Error barrier by the step where copies part",
        Axis("k", "log1p"),
        Axis("error barrier", percent=True),
        [Line("barrier", list(seen.values()))],
        (0.02, "stable"),
    )
    paths = [curve(e.path.shares.tolist(), _known(e.path.error)) for e in copies if e.k == first]
    between = Panel(
        f"Between copies from step {first:,}",
        Axis("share of the way"),
        Axis("error", low=0.0, percent=True),
        [Line("error", paths)],
    )
    return "Instability", [barrier, between]


@_drawn.register
def _(found: DepthProfile) -> tuple[str, list[Panel | Pictures]]:
    def panel(title: str, values: Floats, axis: Axis) -> Panel:
        return Panel(
            title, Axis("layer"), axis, [Line("", [curve(range(1, len(values) + 1), _known(values))])]
        )

    panels = [
        panel("What a linear probe reads", found.probe, Axis("accuracy", low=0.0, high=1.0, percent=True)),
        panel("Beyond shuffled labels", found.selectivity, Axis("accuracy", percent=True)),
        panel(
            "Units linear in the input", found.linear_share, Axis("share", low=0.0, high=1.0, percent=True)
        ),
        panel("Intrinsic dimension", found.dimension, Axis("TwoNN", low=0.0)),
        panel("Pieces of a line", found.pieces, Axis("linear pieces", low=0.0)),
    ]
    return "Complexity by depth", [p for p in panels if p.lines[0].runs[0]]


@_drawn.register
def _(found: Maximised) -> tuple[str, list[Panel | Pictures]]:
    titles = [f"unit {unit}" for unit in found.units]
    return f"What units of {found.layer} look for", [_signed("", found.images, titles)]


@_drawn.register
def _(found: Contours) -> tuple[str, list[Panel | Pictures]]:
    panels: list[Panel | Pictures] = [
        _signed(f"Layer {layer}", units[:, ::-1], [f"{i}" for i in range(len(units))])
        for layer, units in found.values.items()
    ]
    return "Units over the plane", panels


def _of_images(images: NDArray[Any]) -> tuple[str, list[Panel | Pictures]]:
    if images.ndim not in (3, 4) or 0 in images.shape or images.dtype.kind not in "fiub":
        raise InputError(
            "`found` must be images of shape [k, h, w] or [k, c, h, w], none of them 0. "
            f"Got {images.dtype} of shape {list(images.shape)}."
        )
    return "Images", [_signed("", images, [f"{i}" for i in range(len(images))])]


def _signed(title: str, images: Floats, titles: Sequence[str]) -> Pictures:
    """Each scaled by its own largest size, 0 in the middle."""
    flat = images.astype(np.float64).sum(1) if images.ndim == 4 else images.astype(np.float64)
    if flat.ndim != 3:
        raise InputError(
            f"`found` must hold images of shape [h, w] or [c, h, w]. Got {list(images.shape[1:])}."
        )
    tiles = []
    for image, name in list(zip(flat, titles, strict=True))[:MOST_TILES]:
        largest = np.nanmax(np.abs(image)) if np.isfinite(image).any() else 0.0
        tiles.append(Tile(_rows(image / (largest or 1.0)), name))
    said = title if len(flat) <= MOST_TILES else f"{title} (the first {MOST_TILES} of {len(flat)})".strip()
    return Pictures(said, tiles, -1.0, 1.0, signed=True, colours="of its largest")


def _rows(matrix: Floats) -> list[list[float | None]]:
    return [_known(row) for row in np.asarray(matrix, np.float64)]


def _known(values: Floats) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]


def _evenly(count: int, most: int) -> list[int]:
    """Indices, the first and the last among them.

    Example:
        >>> _evenly(10, 4), _evenly(2, 4)
        ([0, 3, 6, 9], [0, 1])
    """
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})
