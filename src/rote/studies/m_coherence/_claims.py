"""What coherence over training was to show: each claim one number of one seed's cells."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from rote.studies._judge import Range, above, below
from rote.studies._study import Claim, MissingCellError, Record, Rows, one
from rote.studies.m_coherence._train import EARLY

PAPER = "Chatterjee & Zielinski 2020, experiments"
LABELS = {"real": 0.0, "half": 0.5, "random": 1.0}
NAN = float("nan")


def values(record: Record, key: str = "m_coherence") -> list[tuple[float, float]]:
    """Steps and what was measured there, where it is known.

    Example:
        >>> values({"step": [0, 1], "m_coherence": [3.0, None]})
        [(0, 3.0)]
    """
    return [(at, value) for at, value in zip(record["step"], record[key], strict=True) if value is not None]


def valley(record: Record) -> tuple[float, float]:
    """Step and height of the lowest point of the first steps.

    Example:
        >>> valley({"step": [0, 10, 25, 99], "m_coherence": [9.0, 2.0, 3.0, 1.0]})
        (10, 2.0)
    """
    first = [(at, value) for at, value in values(record) if at <= EARLY]
    return min(first, key=lambda point: point[1]) if first else (NAN, NAN)


def peak(record: Record, key: str = "m_coherence") -> tuple[float, float]:
    """Step and height of the highest point after the first steps' lowest.

    Example:
        >>> peak({"step": [0, 10, 30, 99], "m_coherence": [9.0, 2.0, 5.0, 1.0]})
        (30, 5.0)
    """
    after = [(at, value) for at, value in values(record, key) if at > valley(record)[0]]
    return max(after, key=lambda point: point[1]) if after else (NAN, NAN)


def last(record: Record) -> float:
    """The last m-coherence that is known."""
    known = values(record)
    return known[-1][1] if known else NAN


def least(found: Sequence[float]) -> float:
    """The least of some numbers; nan if there are none, or one of them is nan.

    Example:
        >>> least([2.0, 1.0]), least([1.0, float("nan")])
        (1.0, nan)
    """
    return min(found) if found and not any(math.isnan(value) for value in found) else NAN


def most(found: Sequence[float]) -> float:
    """The greatest, alike.

    Example:
        >>> most([2.0, 1.0]), most([])
        (2.0, nan)
    """
    return -least([-value for value in found])


def start_of_sample(rows: Rows) -> float:
    """Least m-coherence before the first step, as a share of m, over the kinds of label."""
    found = [_of(rows, name) for name in LABELS]
    return least([_ratio(record["m_coherence"][0], record["m"]) for record in found])


def dropped(rows: Rows) -> float:
    """Largest ratio, over the kinds of label, of the first steps' lowest m-coherence to the initial one."""
    found = [_of(rows, name) for name in LABELS]
    return most([_ratio(valley(record)[1], record["m_coherence"][0]) for record in found])


def rise(rows: Rows) -> float:
    """Least ratio, over the kinds of label, of the peak to the lowest point before."""
    found = [_of(rows, name) for name in LABELS]
    return least([_ratio(peak(record)[1], valley(record)[1]) for record in found])


def fall(rows: Rows) -> float:
    """Largest ratio, over the kinds of label, of the last m-coherence to the peak."""
    found = [_of(rows, name) for name in LABELS]
    return most([_ratio(last(record), peak(record)[1]) for record in found])


def later_peaks(rows: Rows) -> float:
    """Least ratio of the peak's step to that with fewer random labels."""
    steps = [peak(_of(rows, name))[0] for name in LABELS]
    return least([_ratio(late, early) for early, late in pairwise(steps)])


def real_over_random(rows: Rows) -> float:
    """Ratio of the peak with real labels to that with random ones."""
    return _ratio(peak(_of(rows, "real"))[1], peak(_of(rows, "random"))[1])


def random_peak(rows: Rows) -> float:
    """m-coherence at the peak with random labels; 1 is the orthogonal limit."""
    return peak(_of(rows, "random"))[1]


def middle_over_last(rows: Rows) -> float:
    """Least ratio, over the kinds of label, of the middle layer's peak to the last layer's."""
    keys = ("middle_m_coherence", "last_m_coherence")
    pairs = [[peak(_of(rows, name), key)[1] for key in keys] for name in LABELS]
    return least([_ratio(middle, end) for middle, end in pairs])


def _of(rows: Rows, labels: str) -> Record:
    return one(rows, noise=LABELS[labels])


def _ratio(a: float | None, b: float | None) -> float:
    return a / b if a is not None and b and math.isfinite(b) else NAN


def claims(prefix: str, *, convolutional: bool) -> tuple[Claim, ...]:
    """All claims about one network; ``prefix`` makes their names its own."""

    def claim(
        suffix: str, words: str, quantity: str, expected: Range, measure: Callable[[Rows], float]
    ) -> Claim:
        return Claim(f"{prefix}-{suffix}", words, PAPER, quantity, expected, measure)

    found = [
        claim(
            "starts-high",
            "Before the first step the examples agree almost wholly, whatever their labels.",
            "Least ratio of m-coherence to m at step 0, over real, half and random labels; “almost wholly” "
            "is read as over half",
            above(0.5),
            start_of_sample,
        ),
        claim(
            "drops-at-once",
            "In the first 25 steps or so coherence drops far, whatever the labels.",
            "Largest ratio of the lowest m-coherence of the first 25 steps to that of step 0; “far” is read "
            "as below half",
            below(0.5),
            dropped,
        ),
        claim(
            "rises-again",
            "Then it rises to a peak, whatever the labels: training creates coherence.",
            "Least ratio of the peak to the lowest point of the first 25 steps; a rise is read as to twice "
            "as much",
            above(2.0),
            rise,
        ),
        claim(
            "falls-in-the-end",
            "When everything is fitted it falls again.",
            "Largest ratio of the last m-coherence to the peak; a fall is read as to less than half",
            below(0.5),
            fall,
        ),
        claim(
            "rises-later-with-noise",
            "The more labels are random, the later is the peak.",
            "Least ratio of the step of the peak to that with fewer random labels",
            above(1.0),
            later_peaks,
        ),
        claim(
            "real-above-random",
            "Real labels are more coherent than random ones.",
            "Ratio of the peak with real labels to that with random ones",
            above(1.0),
            real_over_random,
        ),
        claim(
            "random-above-orthogonal",
            "Even random labels become far more coherent than orthogonal gradients.",
            "m-coherence at the peak with random labels, where 1 is the orthogonal limit; “far more” is read "
            "as over twice that",
            above(2.0),
            random_peak,
        ),
    ]
    if convolutional:
        found.append(
            claim(
                "convolutions-above-dense",
                "Convolutional layers are more coherent than the dense last one.",
                "Least ratio of the middle layer’s peak to the last layer’s, over the kinds of label",
                above(1.0),
                middle_over_last,
            )
        )
    return tuple(found)


def least_gap(rows: Rows) -> float:
    """Least ratio, over sizes, of the peak with real labels to that with random ones of the same size."""
    sizes = sorted({str(row.config["size"]) for row in rows})
    pairs = [[row for row in rows if str(row.config["size"]) == size] for size in sizes]
    if not pairs:
        raise MissingCellError("no cell of any size")
    return least([real_over_random(pair) for pair in pairs])


def sweep_claims(of: str) -> tuple[Claim, ...]:
    """What holds at every width, or every depth."""
    return (
        Claim(
            f"real-above-random-at-every-{of}",
            f"Real labels are more coherent than random ones at every {of}.",
            f"{PAPER}; whether it is so at every {of} is this study’s own question",
            f"Least ratio, over each {of}, of the peak with real labels to that with random ones",
            above(1.0),
            least_gap,
        ),
    )
