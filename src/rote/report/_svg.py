"""What every drawing is made of: axes, marks and text as SVG, coloured by the page's style sheet."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup, escape

from rote.report._words import THIN, clean, short

Kind = Literal["linear", "log", "log1p"]


class Box(NamedTuple):
    """The rectangle that axes span, in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Axis:
    """One axis: which values it spans and how they are written.

    Attributes:
        title: What is measured, with its unit.
        low: Smallest value.
        high: Largest value, above ``low``.
        kind: ``linear``; ``log``; or ``log1p``, a logarithmic axis that has a 0.
        percent: Whether values are shares, to be written in percent.
        whole: Whether only whole numbers are marked.
    """

    title: str
    low: float
    high: float
    kind: Kind = "linear"
    percent: bool = False
    whole: bool = False

    def at(self, value: float, start: float, end: float) -> float:
        """Where a value lies between ``start`` and ``end``; values outside lie on the border.

        Example:
            >>> Axis("steps", 0, 99, "log1p").at(9, 0, 100), Axis("", 1, 100, "log").at(0, 0, 100)
            (50.0, 0.0)
        """
        if self.kind == "log":
            low, high, here = math.log(self.low), math.log(self.high), math.log(max(value, self.low))
        elif self.kind == "log1p":
            low, high, here = math.log1p(self.low), math.log1p(self.high), math.log1p(max(value, self.low))
        else:
            low, high, here = self.low, self.high, value
        return start + (end - start) * min(max((here - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round values to mark, about five.

        Example:
            >>> Axis("", 0, 1).ticks(), Axis("", 0, 3000, "log1p").ticks(), Axis("", 1, 8, "log").ticks()
            ([0.0, 0.25, 0.5, 0.75, 1.0], [0, 1, 10, 100, 1000], [1, 2, 5])
        """
        if self.kind == "linear":
            return _linear_ticks(self.low, self.high, whole=self.whole)
        tens = [10.0**k for k in range(0 if self.kind == "log1p" else -12, 16)]
        inside = [t for t in tens if self.low <= t <= self.high]
        if len(inside) < 3:
            inside = sorted(t * f for t in tens for f in (1, 2, 5) if self.low <= t * f <= self.high)
        inside = inside[:: 1 + len(inside) // 7]
        values = [0.0, *inside] if self.kind == "log1p" and self.low <= 0 else inside
        return [int(v) if v == int(v) else v for v in values]

    def write(self, value: float) -> str:
        """A tick's label."""
        return f"{value * 100:g}{THIN}%" if self.percent else short(value)


def _linear_ticks(low: float, high: float, *, whole: bool) -> list[float]:
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * f for f in (1, 2, 2.5, 5, 10) if unit * f >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def px(value: float) -> str:
    """A coordinate with one decimal at most.

    Example:
        >>> px(3.04), px(3.25), px(-0.01)
        ('3', '3.2', '0')
    """
    shown = f"{value:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown


def points(xy: Iterable[tuple[float, float]]) -> str:
    """Coordinates as a path's data takes them."""
    return " ".join(f"{px(x)} {px(y)}" for x, y in xy)


def text(x: float, y: float, words: str, css: str = "", *, anchor: str = "start", tip: str = "") -> str:
    """A line of text; ``tip`` is the whole of it where ``words`` is an excerpt.

    Example:
        >>> text(1, 2, "a<b", "end")
        '<text x="1" y="2" class="end">a&lt;b</text>'
    """
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    kind = f' class="{css}"' if css else ""
    more = f"<title>{escape(clean(tip))}</title>" if tip else ""
    return f'<text x="{px(x)}" y="{px(y)}"{kind}{place}>{more}{escape(clean(words))}</text>'


def frame(x: Axis, y: Axis, box: Box) -> str:
    """Grid lines, ticks and titles of two axes."""
    parts = []
    for value in y.ticks():
        here = y.at(value, box.bottom, box.top)
        parts.append(f'<path class="grid" d="M{px(box.left)} {px(here)}H{px(box.right)}"/>')
        parts.append(text(box.left - 6, here + 4, y.write(value), "tick", anchor="end"))
    taken = -math.inf
    for value in x.ticks():
        here = x.at(value, box.left, box.right)
        parts.append(f'<path class="axis" d="M{px(here)} {px(box.bottom)}v5"/>')
        words = x.write(value)
        if here - 4 * len(words) > taken:
            parts.append(text(here, box.bottom + 19, words, "tick", anchor="middle"))
            taken = here + 4 * len(words)
    parts.append(f'<path class="axis" d="M{px(box.left)} {px(box.bottom)}H{px(box.right)}"/>')
    parts.append(text(4, box.top - 12, y.title, "title"))
    parts.append(text((box.left + box.right) / 2, box.bottom + 37, x.title, "title", anchor="middle"))
    return "".join(parts)


def svg(parts: Sequence[str], *, width: float, height: float, alt: str) -> Markup:
    """A drawing that scales with the page and says in words what it shows.

    Example:
        >>> svg([], width=2, height=1, alt="nothing")
        Markup('<svg viewBox="0 0 2 1" role="img" aria-label="nothing"></svg>')
    """
    head = f'<svg viewBox="0 0 {px(width)} {px(height)}" role="img" aria-label="{escape(clean(alt))}">'
    return Markup(head + "".join(parts) + "</svg>")
