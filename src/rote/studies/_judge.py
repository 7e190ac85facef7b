"""Does a claim hold? A number per seed, its interval, and where it should lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rote.audit import Interval, interval
from rote.errors import InputError

Word = Literal["holds", "differs", "inconclusive"]
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Range:
    """The open range in which a claim's quantity is expected.

    Attributes:
        low: It should be above this.
        high: It should be below this.

    Raises:
        InputError: If the range is empty.

    Example:
        >>> str(Range(0.0, 1.0)), str(above(0.5)), str(below(2.0))
        ('between 0 and 1', 'above 0.5', 'below 2')
    """

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"`low` must be below `high` in a Range. Got {self.low} and {self.high}.")

    def __str__(self) -> str:
        return self.in_words()

    def in_words(self, *, percent: bool = False) -> str:
        """The range in words; as a share, in percent.

        Example:
            >>> above(0.02).in_words(percent=True)
            'above 2 %'
        """
        factor, unit = (100, " %") if percent else (1, "")
        low, high = (f"{factor * end:.6g}" for end in (self.low, self.high))
        if self.high == math.inf:
            return f"above {low}{unit}"
        if self.low == -math.inf:
            return f"below {high}{unit}"
        if self.high - self.low <= 1e-6 * max(abs(self.high), 1.0):
            return f"equal to {factor * (self.low + self.high) / 2:.6g}{unit}"
        return f"between {low} and {high}{unit}"


def above(low: float) -> Range:
    """Above a number.

    Example:
        >>> above(1.0)
        Range(low=1.0, high=inf)
    """
    return Range(low=low)


def below(high: float) -> Range:
    """Below a number.

    Example:
        >>> below(1.0)
        Range(low=-inf, high=1.0)
    """
    return Range(high=high)


def between(low: float, high: float) -> Range:
    """Between two numbers.

    Example:
        >>> between(0.0, 1.0)
        Range(low=0.0, high=1.0)
    """
    return Range(low, high)


def equal_to(value: float) -> Range:
    """Equal to a number but for rounding (1e-9 of it, or 1e-9): for claims that are exact.

    Example:
        >>> str(equal_to(4.0))
        'equal to 4'
    """
    room = 1e-9 * max(abs(value), 1.0)
    return Range(value - room, value + room)


@dataclass(frozen=True)
class Verdict:
    """What the seeds say about a claim.

    Attributes:
        word: ``holds``, ``differs`` or ``inconclusive``.
        interval: Mean over seeds and its 95 % interval (Student's t).
        why: Why the word is ``inconclusive``; empty otherwise.

    Example:
        >>> judge([0.4, 0.5, 0.6], above(0.1)).word
        'holds'
    """

    word: Word
    interval: Interval
    why: str = ""


def judge(
    values: Sequence[float], expected: Range, *, exact: bool = False, asked: int | None = None
) -> Verdict:
    """Whether a quantity lies where it is expected, as far as the seeds can tell.

    It *holds* if the whole 95 % interval over seeds (Student's t, n − 1 degrees of freedom) lies inside the
    expected range, *differs* if the whole of it lies outside, and is *inconclusive* otherwise: where the
    interval reaches over an end of the range, with fewer than three seeds, or if the quantity is undefined or
    not measured for any of the seeds. An interval says what other seeds would give, not other data.

    Args:
        values: One number a seed; nan where undefined.
        expected: Where it should lie.
        exact: Whether nothing random enters: then the range decides about the values, as they are.
        asked: How many seeds should have been measured; as many as there are values unless told.

    Example:
        >>> judge([0.4, 0.5, 0.6], above(0.4)).why
        'the interval, 0.2516 to 0.7484, reaches over 0.4'
        >>> judge([0.4, 0.5], above(0.1)).why
        '2 seeds; at least 3 are needed'
        >>> judge([0.4, 0.5, 0.6], above(0.9)).word, judge([6.0], above(5.0), exact=True).word
        ('differs', 'holds')
    """
    known = [value for value in values if math.isfinite(value)]
    if not values or (asked is not None and len(values) < asked):
        there = f"measured for {len(values)} of {asked} seeds" if values and asked else "not measured"
        return Verdict("inconclusive", interval(known), there)
    if len(known) < len(values):
        undefined = len(values) - len(known)
        return Verdict("inconclusive", interval(known), f"undefined for {undefined} of {len(values)} seeds")
    found = interval(known)
    if exact:
        low, high = min(known), max(known)
        found = Interval(found.value, low, high, found.n)
    elif len(known) < ENOUGH_SEEDS:
        seeds = "1 seed" if len(known) == 1 else f"{len(known)} seeds"
        return Verdict("inconclusive", found, f"{seeds}; at least {ENOUGH_SEEDS} are needed")
    else:
        low, high = float(found.low or 0.0), float(found.high or 0.0)  # both known from two values on
    if expected.low < low and high < expected.high:
        return Verdict("holds", found)
    if high < expected.low or low > expected.high:
        return Verdict("differs", found)
    ends = [end for end in (expected.low, expected.high) if low <= end <= high]
    over = " and ".join(f"{end:.4g}" for end in ends)
    if exact and low == high:
        return Verdict("differs", found)  # on the very end of an open range, which is outside it
    return Verdict("inconclusive", found, f"the interval, {low:.4g} to {high:.4g}, reaches over {over}")
