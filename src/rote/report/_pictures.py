"""Matrices as pictures side by side: filters, decision regions, layers beside layers."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from rote.report._figures import Figure
from rote.report._svg import px, svg, text
from rote.report._words import DASH, number

Record = Mapping[str, Any]
Floats = NDArray[np.float64]

# Light to dark in one hue; and two hues that meet in paper. Told apart by those who see no red or no green.
_ONE = ((253, 252, 250), (195, 217, 234), (91, 156, 198), (11, 69, 114))
_TWO = ((155, 62, 0), (236, 158, 104), (246, 244, 240), (110, 170, 212), (0, 84, 144))
_UNKNOWN = (214, 212, 206)
_MOST_ACROSS, _LARGEST, _GAP, _TITLE, _LEGEND = 8, 150.0, 8.0, 17.0, 34.0


def pictures_figure(pictures: Record, *, width: float) -> Figure:
    """The pictures, drawn in rows of tiles, and each of them in numbers: name, lowest, mean, highest.

    Args:
        pictures: ``Pictures`` of a study, as its record has them.
        width: In pixels; a tile is at most 150 wide, and what is left stays empty.

    Example:
        >>> shown = {"title": "Filters", "tiles": [{"values": [[-1.0, 1.0]], "title": "first"}], "low": -1,
        ...          "high": 1, "signed": True, "across": None, "x": "", "y": "", "colours": ""}
        >>> pictures_figure(shown, width=300).rows
        (('first', '−1', '0', '1'),)
    """
    tiles = [_matrix(tile["values"]) for tile in pictures["tiles"]]
    rows = tuple(
        (tile["title"] or f"{i}", *_extremes(values))
        for i, (tile, values) in enumerate(zip(pictures["tiles"], tiles, strict=True), 1)
    )
    said = " ".join(f"{name}: from {low} to {high}." for name, low, _, high in rows)
    return Figure(pictures["title"], _sheet(pictures, tiles, width, f"{pictures['title']}. {said}"), rows)


def coloured(values: Floats, low: float, high: float, *, signed: bool) -> NDArray[np.uint8]:
    """Values as colours, shape ``[h, w, 3]``; nan is grey.

    Example:
        >>> coloured(np.array([[-9.0, 0.0, np.nan]]), -1, 1, signed=True).tolist()
        [[[155, 62, 0], [246, 244, 240], [214, 212, 206]]]
    """
    stops = np.array(_TWO if signed else _ONE, np.float64)
    at = np.clip((values - low) / (high - low or 1.0), 0, 1) * (len(stops) - 1)
    known = np.isfinite(at)
    shown = np.stack(
        [np.interp(np.where(known, at, 0), np.arange(len(stops)), stops[:, c]) for c in range(3)], axis=-1
    )
    shown[~known] = _UNKNOWN
    return shown.round().astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> str:
    """Pixels ``[h, w, 3]`` as a PNG data URI; the same ones always give the same text.

    Example:
        >>> png(np.zeros((1, 1, 3), np.uint8))[:22]
        'data:image/png;base64,'
    """
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _sheet(pictures: Record, tiles: Sequence[Floats], width: float, alt: str) -> Markup:
    """Tiles in rows, what runs where beside the first, and what the colours stand for below."""
    low, high, signed = float(pictures["low"]), float(pictures["high"]), bool(pictures["signed"])
    left = 20.0 if pictures["y"] else 0.0
    across = pictures["across"] or min(len(tiles), _MOST_ACROSS) or 1
    side = min(_LARGEST, (width - 1 - left - (across - 1) * _GAP) / across)  # 1 for the last frame
    titled = _TITLE if any(tile["title"] for tile in pictures["tiles"]) else 0.0
    parts: list[str] = []
    top = 0.0
    for start in range(0, len(tiles), across):
        row = tiles[start : start + across]
        tall = max(side * len(v) / v.shape[1] for v in row)
        for i, values in enumerate(row):
            x, title = left + i * (side + _GAP), pictures["tiles"][start + i]["title"]
            if title:
                fits = max(int(side / 7.2), 3)
                short = title if len(title) <= fits else title[: fits - 1] + "…"
                tip = title if short != title else ""
                parts.append(text(x + side / 2, top + 12, short, "tick", anchor="middle", tip=tip))
            place = f'x="{px(x)}" y="{px(top + titled)}" width="{px(side)}"'
            place += f' height="{px(side * len(values) / values.shape[1])}"'
            href = png(coloured(values, low, high, signed=signed))
            parts.append(f'<image {place} preserveAspectRatio="none" class="pixels" href="{href}"/>')
            parts.append(f'<rect {place} class="axis"/>')
        if pictures["y"] and not start:
            middle = top + titled + tall / 2
            words = text(13, middle, pictures["y"], "tick", anchor="middle")
            parts.append(f'<g transform="rotate(-90 13 {px(middle)})">{words}</g>')
        top += titled + tall + _GAP
    if pictures["x"]:
        parts.append(text(left + side / 2, top + 7, pictures["x"], "tick", anchor="middle"))
        top += 20
    parts += _legend(pictures, left, top)
    return svg(parts, width=width, height=top + _LEGEND, alt=alt)


def _legend(pictures: Record, left: float, top: float) -> list[str]:
    low, high = float(pictures["low"]), float(pictures["high"])
    bar = png(coloured(np.linspace(low, high, 64)[None], low, high, signed=bool(pictures["signed"])))
    words = f"{pictures['colours']}: {number(low)}".removeprefix(": ")
    start = left + 7.4 * len(words) + 8
    place = f'x="{px(start)}" y="{px(top + 8)}" width="96" height="11"'
    return [
        text(start - 6, top + 18, words, "tick", anchor="end"),
        f'<image {place} preserveAspectRatio="none" href="{bar}"/><rect {place} class="axis"/>',
        text(start + 102, top + 18, number(high), "tick"),
    ]


def _matrix(values: Sequence[Sequence[float | None]]) -> Floats:
    return np.array([[np.nan if v is None else v for v in row] for row in values], np.float64)


def _extremes(values: Floats) -> tuple[str, str, str]:
    known = values[np.isfinite(values)]
    if not known.size:
        return DASH, DASH, DASH
    return number(known.min()), number(known.mean()), number(known.max())
