"""The data map: every example by how sure the model was of its label, and how much that changed."""

from collections.abc import Sequence

from markupsafe import Markup

from rote.report._lines import thin
from rote.report._svg import Axis, Box, frame, px, svg, text

MOST_POINTS = 3000


def marked(scores: Sequence[float | None], lowest: float | None, share: float) -> list[bool]:
    """Which examples are suspects.

    Args:
        scores: Of the examples on the map.
        lowest: The lowest score of a suspect, where all suspects are known; else None.
        share: Suspects among all examples; used where ``lowest`` is None.

    Returns:
        One truth value per score.

    Example:
        >>> marked([0.9, 0.1, None], 0.5, 0.0), marked([0.9, 0.1, 0.2, 0.3], None, 0.25)
        ([True, False, False], [True, False, False, False])
    """
    if lowest is None:
        ranked = sorted((score for score in scores if score is not None), reverse=True)
        count = min(round(share * len(ranked)), len(ranked))
        if not count:
            return [False] * len(scores)
        lowest = ranked[count - 1]
    return [score is not None and score >= lowest for score in scores]


def data_map(
    confidence: Sequence[float | None],
    variability: Sequence[float | None],
    suspects: Sequence[bool],
    *,
    alt: str,
    width: float = 400,
    height: float = 350,
) -> Markup:
    """Draw one point per example; suspects are crosses, and stay where ``MOST_POINTS`` is not enough for all.

    Swayamdipta et al. (2020), `Dataset Cartography <https://arxiv.org/abs/2009.10795>`_.

    Args:
        confidence: Mean probability of the given label over training, per example.
        variability: Its standard deviation.
        suspects: Whether the example is one.
        alt: What the map shows, in words.
        width: In pixels.
        height: In pixels.

    Returns:
        One ``<svg>`` element.

    Example:
        >>> drawn = data_map([0.9, 0.1], [0.1, 0.2], [False, True], alt="")
        >>> drawn.count('class="dots"'), drawn.count('class="crosses"')
        (1, 1)
    """
    box = Box(48, 34, width - 14, height - 46)
    triples = [
        (v, c, s)
        for v, c, s in zip(variability, confidence, suspects, strict=True)
        if v is not None and c is not None
    ]
    crosses = thin([(v, c) for v, c, s in triples if s], MOST_POINTS)
    dots = thin([(v, c) for v, c, s in triples if not s], max(MOST_POINTS - len(crosses), 2))
    widest = max((v for v, _, _ in triples), default=0.0)
    x = Axis("variability (standard deviation over epochs)", 0, max(widest * 1.02, 0.05))
    y = Axis("confidence (mean probability of the given label)", 0, 1)

    def place(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x.at(v, box.left, box.right), y.at(c, box.bottom, box.top)) for v, c in pairs]

    # A line of no length with round ends is a dot: one path holds thousands of them.
    parts = [frame(x, y, box)]
    if dots:
        strokes = "".join(f"M{px(a)} {px(b)}h0" for a, b in place(dots))
        parts.append(f'<path class="dots" d="{strokes}"/>')
    if crosses:
        strokes = "".join(f"M{px(a - 3)} {px(b - 3)}l6 6m0-6l-6 6" for a, b in place(crosses))
        parts.append(f'<path class="crosses" d="{strokes}"/>')
    if not triples:
        middle = (box.left + box.right) / 2
        parts.append(text(middle, (box.top + box.bottom) / 2, "nothing known", "tick", anchor="middle"))
    return svg(parts, width=width, height=height, alt=alt)
