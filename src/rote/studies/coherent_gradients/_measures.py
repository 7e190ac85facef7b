"""The numbers that decide about the claims: from the rows of one seed to one float."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from rote.studies._study import MissingCellError, Record, Rows, one, some
from rote.studies.coherent_gradients._baseline import FIRST, MIXED, NOISE

Way = Literal["sample", "population"]


def smallest_gap(values: Sequence[float]) -> float:
    """The smallest fall from one value to the next: above 0 if they fall throughout.

    Example:
        >>> smallest_gap([5.0, 3.0, 2.5])
        0.5
    """
    return min(a - b for a, b in pairwise(values))


def by_noise(rows: Rows, value: Callable[[Record], float], levels: Sequence[float] = NOISE) -> list[float]:
    """A value at each noise level, in the order of the levels.

    Raises:
        MissingCellError: If a level has not run.
    """
    return [value(one(rows, noise=noise)) for noise in levels]


def least_final_accuracy(rows: Rows) -> float:
    """Training accuracy at the end, the smallest over all noise levels."""
    return min(by_noise(rows, lambda record: record["train_accuracy"][-1]))


def slowing(rows: Rows) -> float:
    """By how much the mean training accuracy over the looks falls from a noise level to the next."""
    return smallest_gap(by_noise(rows, lambda record: float(np.mean(record["train_accuracy"]))))


def fall_of_test_accuracy(rows: Rows) -> float:
    """By how much test accuracy at the end falls from a noise level to the next."""
    return smallest_gap(by_noise(rows, lambda record: record["test_accuracy"][-1]))


def pristine_lead(rows: Rows) -> float:
    """Mean over the looks of the share learned for good, pristine minus corrupt; the smallest over levels."""

    def lead(record: Record) -> float:
        return float(np.mean(np.subtract(record["kept_pristine"], record["kept_corrupt"])))

    return min(by_noise(rows, lead, MIXED))


def early_excess(record: Record, way: Way) -> float:
    """``f^p − f^c`` over the first ten steps, on average."""
    return float(np.mean(1 - 2 * _worlds(record[way]["f_corrupt"])[:FIRST, 0]))


def late_excess(record: Record, way: Way) -> float:
    """The median of ``f^p − f^c`` while what is left to learn is mostly corrupt.

    That is, over the looks at which more than 95 % of the pristine labels are fitted but fewer than 95 % of
    the corrupt ones; nan where there is no such look.
    """
    at = dict(zip(record["steps"], range(len(record["steps"])), strict=True))
    f = _worlds(record[way]["f_corrupt"])[:, 0]
    late = [
        1 - 2 * f[k]
        for k, step in enumerate(record[way]["steps"])
        if record["pristine_accuracy"][at[step]] > 0.95 > record["corrupt_accuracy"][at[step]]
    ]
    known = [value for value in late if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def starts_above(rows: Rows, way: Way) -> float:
    """Early ``f^p − f^c`` at 25 % and 50 % noise: the smaller."""
    return min(by_noise(rows, lambda record: early_excess(record, way), MIXED[:2]))


def ends_below(rows: Rows, way: Way) -> float:
    """Late ``f^c − f^p`` at 25 % and 50 % noise: the smaller; nan where undefined for either."""
    return _least(by_noise(rows, lambda record: -late_excess(record, way), MIXED[:2]))


def same_side(rows: Rows, way: Way) -> float:
    """At 75 % noise: late ``f^p − f^c`` times the sign of the early one; above 0 if it never crosses."""
    record = one(rows, noise=MIXED[2])
    return math.copysign(1.0, early_excess(record, way)) * late_excess(record, way)


def slope(rows: Rows, way: Way) -> float:
    """At 75 % noise: late ``f^p − f^c`` minus the early one; below 0 if it slopes down."""
    record = one(rows, noise=MIXED[2])
    return late_excess(record, way) - early_excess(record, way)


def beyond_null(rows: Rows, way: Way) -> float:
    """Early ``f^p`` minus the largest in a null world, over the first ten steps; the smallest over levels."""

    def excess(record: Record) -> float:
        f = 1 - _worlds(record[way]["f_corrupt"])[:FIRST].mean(axis=0)
        return float(f[0] - f[1:].max())

    return min(by_noise(rows, excess, MIXED))


def per_example_lead(rows: Rows, way: Way) -> float:
    """``(i^p − i^c)/(|i^p| + |i^c|)`` after ten steps; the smallest over levels."""

    def lead(record: Record) -> float:
        pristine, corrupt = (record[way][name][-1][0] for name in ("i_pristine", "i_corrupt"))
        return float((pristine - corrupt) / (abs(pristine) + abs(corrupt)))

    return min(by_noise(rows, lead, MIXED))


def lead_beyond_null(rows: Rows, way: Way) -> float:
    """``i^p − i^c`` after ten steps over its largest size in a null world; the smallest over levels."""

    def ratio(record: Record) -> float:
        gap = np.subtract(record[way]["i_pristine"][-1], record[way]["i_corrupt"][-1])
        return float(gap[0] / np.abs(gap[1:]).max())

    return min(by_noise(rows, ratio, MIXED))


def above_proper(rows: Rows, levels: Sequence[int] = (2, 4, 8)) -> float:
    """Training accuracy minus proper accuracy: the largest over looks, noise above 0, and these c."""
    wanted = [
        max(one(rows, c=c, noise=noise)["train_accuracy"]) - one(rows, c=c, noise=noise)["proper"]
        for c in levels
        for noise in NOISE[1:]
    ]
    return float(max(wanted))


def overfit_slope(rows: Rows, c: int) -> float:
    """Slope of the overfit at the end over the noise level, by least squares.

    Raises:
        MissingCellError: If a noise level has not run.
    """
    found = some(rows, c=c)
    if {row.config["noise"] for row in found} != set(NOISE):
        raise MissingCellError(f"not all noise levels have run at c={c}")
    ends = by_noise(found, lambda record: record["overfit"][-1])
    return float(np.polyfit(NOISE, ends, 1)[0])


def slope_fall(rows: Rows, levels: Sequence[int] = (0, 1, 2, 4, 8)) -> float:
    """By how much the slope of the overfit falls from a c to the next larger one."""
    return smallest_gap([overfit_slope(rows, c) for c in levels])


def late_fall(rows: Rows, c: int = 8) -> float:
    """Peak minus end of training accuracy (the mean of both with test accuracy), noise 0 to 75 %, mean."""

    def fall(record: Record) -> float:
        names = ("train_accuracy", "test_accuracy")
        return float(np.mean([max(record[name]) - record[name][-1] for name in names]))

    return float(np.mean(by_noise(some(rows, c=c), fall, NOISE[:4])))


def _worlds(f_corrupt: Sequence[Sequence[float | None]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows of steps, columns of worlds; what is unknown becomes nan."""
    return np.array([[math.nan if value is None else value for value in row] for row in f_corrupt])


def _least(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else min(values)
