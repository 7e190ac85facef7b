"""Bars: how the labels divide into learned, memorised and not fitted; and a score."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from rote.report._words import known, percent

PARTS = (("learned", "learned"), ("memorised", "memorised"), ("unfitted", "not fitted"))
_WIDE_ENOUGH = 0.2  # for a name inside; 0.09 for its number alone


def stacked_bar(shares: Mapping[str, Any], *, alt: str) -> Markup:
    """One bar, as wide as the page, that the three shares fill.

    Positions are percentages and texts keep their size, so one drawing serves every width of page.

    Args:
        shares: Intervals under ``learned``, ``memorised`` and ``unfitted``; unknown ones take no room.
        alt: What the bar shows, in words.

    Returns:
        One ``<svg>`` element.

    Example:
        >>> shares = {"learned": {"value": 0.75}, "memorised": {"value": 0.25}, "unfitted": {"value": 0}}
        >>> bar = stacked_bar(shares, alt="")
        >>> 'x="75%" width="25%"' in bar, "not fitted" in bar
        (True, False)
    """
    sizes = {key: max(known(shares[key]["value"]) or 0.0, 0.0) for key, _ in PARTS}
    whole = max(sum(sizes.values()), 1.0)
    pieces, left = ['<rect class="empty" width="100%" height="100%"/>'], 0.0
    for key, name in PARTS:
        width = sizes[key] / whole
        if width <= 0:
            continue
        place = f'x="{left * 100:g}%" width="{width * 100:g}%"'
        pieces.append(f'<rect class="part {key}" {place} height="100%"/>')
        if key == "memorised":  # hatched, so that print without colour tells it apart
            pieces.append(f'<rect fill="url(#hatch)" {place} height="100%"/>')
        if width >= 0.09:
            words = f"{name} {percent(width)}" if width >= _WIDE_ENOUGH else percent(width)
            middle = f"{(left + width / 2) * 100:.4g}%"
            pieces.append(f'<text class="on-{key}" x="{middle}" y="50%" dy=".35em" text-anchor="middle">')
            pieces.append(f"{words}</text>")
        left += width
    if not left:
        pieces.append('<text class="nothing" x="50%" y="50%" dy=".35em" text-anchor="middle">unknown</text>')
    return Markup(f'<svg class="stack" role="img" aria-label="{escape(alt)}">{"".join(pieces)}</svg>')


def score_bar(score: float | None) -> Markup:
    """A thin bar for a score in [0, 1]; its number stands beside it, so it is silent to a screen reader.

    Example:
        >>> 'width="50%"' in score_bar(0.5), 'class="score"' in score_bar(None)
        (True, False)
    """
    share = min(max(known(score) or 0.0, 0.0), 1.0)
    fill = f'<rect class="score" width="{share * 100:.3g}%" height="100%"/>' if share else ""
    empty = '<rect class="empty" width="100%" height="100%"/>'
    return Markup(f'<svg class="score-bar" aria-hidden="true">{empty}{fill}</svg>')
