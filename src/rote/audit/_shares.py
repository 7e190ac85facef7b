"""What share of labels is wrong, and each example's score: the calibrated side of the statistic."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from rote.audit._evidence import Array

_LEAST_FOUND = 0.3
"""Thresholds that find a smaller share of the planted labels are too noisy to count."""


@dataclass(frozen=True)
class WrongShare:
    """An upper estimate of the share of wrong labels.

    Attributes:
        threshold: Of the statistic, where the estimate is smallest.
        found: Share of planted labels above it.
        value: Share of all examples above it, divided by ``found``.
    """

    threshold: float
    found: float
    value: float


def wrong_share(statistic: Array, planted_statistic: Array) -> WrongShare:
    """Share of wrong labels, were they as visible as the planted ones.

    If a share π is wrong and a threshold finds a share f of wrong labels, at least π·f of all examples lie
    above it: so every threshold bounds π by (share above) / f, and the smallest bound is taken (the
    mixture-proportion estimate of Blanchard, Lee and Scott, JMLR 2010). It is tight where some threshold
    finds wrong labels and no hard examples.

    Args:
        statistic: Of all examples under the given labels, shape ``[m]``.
        planted_statistic: Of the planted labels in the calibration runs, shape ``[p]``.

    Returns:
        The estimate, at most 1.

    Example:
        >>> found = wrong_share(np.r_[np.zeros(80), np.ones(20)], np.ones(10))
        >>> found.value, found.found
        (0.2, 1.0)
    """
    thresholds = np.unique(planted_statistic)
    found = 1.0 - np.searchsorted(np.sort(planted_statistic), thresholds, "left") / len(planted_statistic)
    above = 1.0 - np.searchsorted(np.sort(statistic), thresholds, "left") / len(statistic)
    bound = np.where(found >= _LEAST_FOUND, above / found, np.inf)
    best = int(bound.argmin())
    return WrongShare(float(thresholds[best]), float(found[best]), float(min(bound[best], 1.0)))


def wrong_share_at(statistic: Array, share: WrongShare) -> float:
    """The same estimate for some of the examples, at the threshold chosen for all.

    Example:
        >>> wrong_share_at(np.array([0.0, 0.0, 0.0, 1.0]), WrongShare(1.0, 0.5, 0.2))
        0.5
    """
    return float(np.mean(statistic >= share.threshold) / share.found)


def probability_wrong(
    statistic: Array, planted_statistic: Array, share: float, *, smooth: float = 1e-3
) -> NDArray[np.float64]:
    """Probability that each label is wrong: π·f₁/f, with the density ratio f₁/f fitted to grow with the statistic.

    f₁ is the density of planted labels, f that of all examples, π the share of wrong labels. The ratio
    comes from isotonic regression of planted against all; a last term too small to matter keeps ties in
    the order of the statistic.

    Args:
        statistic: Of all examples, shape ``[m]``.
        planted_statistic: Of the planted labels, shape ``[p]``.
        share: π.
        smooth: Size of that last term.

    Returns:
        Shape ``[m]``, within 0 and 1, in the order of the statistic.

    Example:
        >>> p = probability_wrong(np.r_[np.zeros(80), np.ones(20)], np.ones(10), 0.2)
        >>> p[0].round(2), p[-1].round(2)
        (0.0, 1.0)
    """
    values = np.concatenate([planted_statistic, statistic])
    is_planted = np.r_[np.ones(len(planted_statistic)), np.zeros(len(statistic))]
    weight = np.where(is_planted > 0, 0.5 / len(planted_statistic), 0.5 / len(statistic))
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    p = fit.fit(values, is_planted, sample_weight=weight).predict(statistic)
    ratio = p / np.maximum(1.0 - p, 1e-9)
    order = np.argsort(np.argsort(statistic, kind="stable"), kind="stable") / max(len(statistic) - 1, 1)
    return np.asarray((1.0 - smooth) * np.minimum(share * ratio, 1.0) + smooth * order)
