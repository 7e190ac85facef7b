"""What share of labels is wrong, and each example's score as a probability."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression

from rote.audit._evidence import Array, Evidence, margin

CONTRADICTED = 0.3
"""By how much another label must be preferred for a given one to count as contradicted."""
_LEAST_FOUND = 0.3


def contradicted(evidence: Evidence) -> NDArray[np.bool_]:
    """Which given labels the networks contradict clearly: the estimate of which are wrong, one by one.

    What is asked is the mean of two opinions on an example: of the network that never saw it, at the end, and
    of all networks, over all of training. A label is contradicted where another one has at least 0.3 more.
    A wrong label that looks like its class is missed; a hard example that networks agree to mistake is
    counted.

    Args:
        evidence: From runs on the labels in question.

    Returns:
        Shape ``[m]``.
    """
    return margin(0.5 * evidence.held_out + 0.5 * evidence.belief, evidence.y) > CONTRADICTED


def visible_share(statistic: Array, planted_statistic: Array) -> float:
    """Share of labels that look as wrong as planted ones do.

    If a share π looks so and a threshold finds a share f of planted labels, at least π·f of all examples lie
    above it: every threshold bounds π by (share above) / f, and the smallest bound is taken (the
    mixture-proportion estimate of Blanchard, Lee and Scott, JMLR 2010). Thresholds that find less than 0.3
    of the planted labels are too noisy to count.

    Args:
        statistic: Of all examples under the given labels, shape ``[m]``.
        planted_statistic: Of the planted labels in the calibration runs, shape ``[p]``.

    Returns:
        The share, at most 1.

    Example:
        >>> round(visible_share(np.r_[np.zeros(80), np.ones(20)], np.ones(10)), 3)
        0.2
    """
    thresholds = np.unique(planted_statistic)
    found = 1.0 - np.searchsorted(np.sort(planted_statistic), thresholds, "left") / len(planted_statistic)
    above = 1.0 - np.searchsorted(np.sort(statistic), thresholds, "left") / len(statistic)
    return float(min(np.where(found >= _LEAST_FOUND, above / found, np.inf).min(), 1.0))


def probability_wrong(
    statistic: Array, planted_statistic: Array, share: float, *, smooth: float = 1e-3
) -> NDArray[np.float64]:
    """Probability that each label is wrong: π·f₁/f.

    f₁ is the density of planted labels, f that of all examples, π the share of wrong labels. The ratio f₁/f,
    which is made to grow with the statistic, comes from isotonic regression of planted against all; a last
    term too small to matter keeps its steps in the order of the statistic.

    Args:
        statistic: Of all examples, shape ``[m]``.
        planted_statistic: Of the planted labels, shape ``[p]``.
        share: π.
        smooth: Size of that last term.

    Returns:
        Shape ``[m]``, within 0 and 1, in the order of the statistic.

    Example:
        >>> p = probability_wrong(np.r_[np.zeros(80), np.ones(20)], np.ones(10), 0.2)
        >>> float(p[0].round(2)), float(p[-1].round(2))
        (0.0, 1.0)
    """
    values = np.concatenate([planted_statistic, statistic])
    is_planted = np.r_[np.ones(len(planted_statistic)), np.zeros(len(statistic))]
    weight = np.where(is_planted > 0, 0.5 / len(planted_statistic), 0.5 / len(statistic))
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    p = fit.fit(values, is_planted, sample_weight=weight).predict(statistic)
    ratio = p / np.maximum(1.0 - p, 1e-9)
    order = (rankdata(statistic) - 1) / max(len(statistic) - 1, 1)
    return np.asarray((1.0 - smooth) * np.minimum(share * ratio, 1.0) + smooth * order)
