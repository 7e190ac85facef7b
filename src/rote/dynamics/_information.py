"""How much of what a model knows does a simpler one know? Plug-in information from hard predictions.

With F the model's prediction, L the simpler model's and Y the label, all discrete, on one fixed set of
examples: ``μ = I(F;Y) - I(F;Y|L)`` (Nakkiran et al. 2019, arXiv 1905.11604). It is symmetric, ``I(L;Y) -
I(L;Y|F)``, and it can be negative (F = Y xor Z, L = Z: -1 bit), so nothing here is clipped.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.dynamics._given import array
from rote.errors import InputError

_F, _L, _Y, _FL, _FY, _LY, _FLY = range(7)
_AXES = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
#: What each measure is, as a sum of entropies; columns in the order of the list above.
_MEASURES = {
    "model": {_F: 1, _Y: 1, _FY: -1},
    "simple": {_L: 1, _Y: 1, _LY: -1},
    "unexplained": {_FL: 1, _LY: 1, _L: -1, _FLY: -1},
    "forgotten": {_FL: 1, _FY: 1, _F: -1, _FLY: -1},
}
NAMES = ("model", "simple", "shared", "unexplained", "forgotten")
_CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Bits:
    """An estimate in bits with its percentile interval; no interval where no resamples were asked for.

    Example:
        >>> print(Bits(0.5, 0.25, 0.75))
        0.5000 (0.2500 to 0.7500)
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return _rounded(self.value)
        return f"{_rounded(self.value)} ({_rounded(self.low)} to {_rounded(self.high)})"


@dataclass(frozen=True)
class Explained:
    """What a model and a simpler one know of the labels, together and each beyond the other, in bits.

    ``shared = model - unexplained = simple - forgotten``. Look at all of them: errors that are independent
    also give a positive ``shared``.

    Attributes:
        model: I(F;Y).
        simple: I(L;Y).
        shared: μ = I(F;Y) - I(F;Y|L), what both know; negative where they know something only together.
        unexplained: I(F;Y|L), near 0 while the simpler model explains all that the model knows.
        forgotten: I(L;Y|F), near 0 while the model retains all that the simpler one knows.
        accuracy: Of the model; predictions and labels share their numbers.
        simple_accuracy: Of the simpler one.
        m: Examples.
        corrected: Whether the bias of the plug-in estimate was subtracted.

    Example:
        >>> found = explained([0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1], corrected=False)
        >>> found.shared.value, found.unexplained.value
        (1.0, 0.0)
    """

    model: Bits
    simple: Bits
    shared: Bits
    unexplained: Bits
    forgotten: Bits
    accuracy: float
    simple_accuracy: float
    m: int
    corrected: bool

    def __str__(self) -> str:
        rows = "\n".join(f"  {name:<12}{getattr(self, name)}" for name in NAMES)
        return f"bits from {self.m} examples:\n{rows}"

    def to_dict(self) -> dict[str, Any]:
        """The fields, JSON-ready."""
        return asdict(self)


def explained(
    model: ArrayLike,
    simple: ArrayLike,
    labels: ArrayLike,
    *,
    corrected: bool = True,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> Explained:
    r"""Information that a model's predictions share with the labels, and how much of it a simpler model has.

    The plug-in estimate counts the table of (F, L, Y). An entropy counted from m examples in K occupied
    cells is about ``(K - 1) / (2 m ln 2)`` bits too small (Miller 1955), so I(F;Y) is too large by
    ``(|F| - 1)(|Y| - 1) / (2 m ln 2)``, and I(F;Y|L) by |L| times that, where all cells are occupied;
    ``corrected`` subtracts this, by the cells that are. Intervals are percentiles over tables redrawn from
    the one counted, shifted by the bias that redrawing adds.

    Args:
        model: Hard predictions F, shape ``[m]``, integers of any number of classes.
        simple: Hard predictions L of the simpler model on the same examples, shape ``[m]``.
        labels: Y, shape ``[m]``.
        corrected: Subtract the bias. The identities hold exactly either way.
        resamples: Redrawn tables; 0: no intervals. 1000 make steady ones.
        level: Of the intervals.
        seed: Of the redrawing.

    Returns:
        The measures, in bits; never clipped, so a corrected one may lie just below 0.

    Raises:
        InputError: If the three are not integers of one length above 0, or an option is out of range.

    Example:
        >>> z, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> found = explained(z ^ y, z, y, corrected=False)  # useless alone, everything together
        >>> found.shared.value, found.unexplained.value, found.forgotten.value
        (-1.0, 1.0, 1.0)
    """
    f, simpler = whole_numbers(model, "model"), whole_numbers(simple, "simple")
    y = whole_numbers(labels, "labels")
    if not len(f) == len(simpler) == len(y):
        raise InputError(
            f"`model`, `simple` and `labels` must be of the same examples. "
            f"Got {len(f)}, {len(simpler)} and {len(y)}."
        )
    if resamples < 0 or not 0 < level < 1:
        raise InputError(
            f"`resamples` must be at least 0 and `level` between 0 and 1. Got {resamples} and {level}."
        )
    counts, groups = _table(f, simpler, y)
    measures, bias = _measures(counts[None], groups)
    values = (measures - bias if corrected else measures)[0]
    ends = np.full((2, len(NAMES)), np.nan)
    if resamples:
        drawn = _redrawn(counts, groups, resamples, seed, corrected=corrected) - bias[0]
        ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    bits = {
        name: Bits(float(value), float(low) if resamples else None, float(high) if resamples else None)
        for name, value, low, high in zip(NAMES, values, *ends, strict=True)
    }
    return Explained(
        **bits,
        accuracy=float(np.mean(f == y)),
        simple_accuracy=float(np.mean(simpler == y)),
        m=len(y),
        corrected=corrected,
    )


def bits_of_accuracy(accuracy: ArrayLike, classes: int = 2) -> NDArray[np.float64]:
    """I(F;Y) of a model of that accuracy: the second axis of a picture in bits.

    For balanced classes and errors spread evenly over the wrong ones:
    ``log2 C - h2(a) - (1 - a) log2(C - 1)``; with two classes 1 - h2(a).

    Args:
        accuracy: Any shape, from 0 to 1.
        classes: C.

    Returns:
        The same shape.

    Raises:
        InputError: If an accuracy is not from 0 to 1, or there are fewer than two classes.

    Example:
        >>> bits_of_accuracy([0.5, 0.85, 0.95, 1.0]).round(3).tolist()
        [0.0, 0.39, 0.714, 1.0]
    """
    a = array(accuracy, "accuracy").astype(float)
    if classes < 2 or not np.all((a >= 0) & (a <= 1)):
        raise InputError(f"`accuracy` must be from 0 to 1 and `classes` at least 2. Got classes={classes}.")
    wrong = 1 - a
    bits: NDArray[np.float64] = np.log2(classes) + _xlog2(a) + _xlog2(wrong) - wrong * np.log2(classes - 1)
    return bits


def whole_numbers(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Predictions or labels as int64 ``[m]``, m above 0.

    Raises:
        InputError: If they are anything else.
    """
    found = array(values, name)
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "iub":
        raise InputError(
            f"`{name}` must be whole numbers [m], one for each example, hard predictions and no scores. "
            f"Got {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.int64)


def _table(
    f: NDArray[np.int64], simpler: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The occupied cells' counts ``[K]``, and for each margin the cell of it that each of them belongs to."""
    shape, cell = [], np.zeros(len(y), np.int64)
    for values in (f, simpler, y):
        names, code = np.unique(values, return_inverse=True)
        shape.append(len(names))
        cell = cell * len(names) + code
    cell, counts = np.unique(cell, return_counts=True)
    cells = np.stack(np.unravel_index(cell, shape))
    groups = [np.unique(cells[list(axes)], axis=1, return_inverse=True)[1].reshape(-1) for axes in _AXES]
    return counts, groups


def _measures(
    counts: NDArray[np.int64], groups: list[NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Plug-in measures and their bias, both ``[tables, 5]``, of counts ``[tables, K]``."""
    m = counts.sum(axis=1)
    entropy, occupied = np.empty((2, len(counts), len(_AXES)))
    for at, group in enumerate(groups):
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(group.max() + 1))
        margin = np.add.reduceat(counts[:, order], starts, axis=1)
        entropy[:, at] = np.log2(m) - _xlog2(margin).sum(axis=1) / m
        occupied[:, at] = (margin > 0).sum(axis=1)
    missing = (occupied - 1) / (2 * m * np.log(2))[:, None]
    return _combined(entropy), -_combined(missing)


def _rounded(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # no minus before a zero


def _combined(entropies: NDArray[np.float64]) -> NDArray[np.float64]:
    found = {
        name: entropies[:, list(terms)] @ np.array(list(terms.values()), float)
        for name, terms in _MEASURES.items()
    }
    found["shared"] = found["model"] - found["unexplained"]
    return np.stack([found[name] for name in NAMES], axis=1)


def _redrawn(
    counts: NDArray[np.int64], groups: list[NDArray[np.int64]], resamples: int, seed: int, *, corrected: bool
) -> NDArray[np.float64]:
    rng, m = np.random.default_rng(seed), int(counts.sum())
    found, left, most = [], resamples, max(1, _CELLS_AT_ONCE // len(counts))
    while left:
        measures, bias = _measures(rng.multinomial(m, counts / m, min(left, most)), groups)
        found.append(measures - bias if corrected else measures)
        left -= len(measures)
    return np.concatenate(found)


def _xlog2(x: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x * np.log2(np.where(x > 0, x, 1))
    return found
