"""The suspicion score: which labels look wrong, on a scale learned from labels made wrong on purpose.

Five signals speak of an example's given label: the neighbours among inputs, the neighbours as the networks
see them, what all networks believe, and the losses. How far the neighbours among inputs can be trusted
differs from data to data: among MNIST's pixels they know best, among CIFAR's they know little. So an audit
plants wrong labels of three kinds in the user's own data, trains on them too, and sets that one weight so
that the planted labels are found best. How the rest was settled, and what it was measured against, is told in
``docs/score.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from rote.audit._evidence import Array, Evidence, margin

SIGNALS = ("input neighbours", "inner neighbours", "belief", "mean loss", "last loss")
"""The score's signals, in the order of its weights."""
BASELINES = ("mean loss", "last loss", "neighbour agreement", "held-out probability")
"""What the score is compared with; the last is what confident learning ranks by (self-confidence)."""
OTHERS = (0.0, 0.1, 0.1, 0.6, 0.2)
"""Weights of the signals where neighbours among inputs are not trusted at all."""
TRUST = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""How far neighbours among inputs may be trusted."""
_LUCK = 0.6
"""Over the root of how many labels were planted: about one standard error of AUROC plus precision."""
_TINY = 1e-9
_LEAST_SPREAD = 1e-3
"""A signal that hardly varied in the calibration runs must not outweigh the others elsewhere."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """Weights of the signals, and the scale they are measured on.

    Attributes:
        weights: One for each of ``SIGNALS``, not negative, summing to 1.
        scale: The signals in the calibration runs, each sorted, shape ``[m, 5]``: a signal's place among
            them, as a normal quantile, is what is weighed.
    """

    weights: Array
    scale: Array

    def statistic(self, evidence: Evidence) -> Array:
        """The weighed signals of each example, shape ``[m]``; higher is more suspicious."""
        return self.normal(signals(evidence)) @ self.weights

    def normal(self, values: Array) -> Array:
        """Signals on the scale of the calibration runs, as normal quantiles, shape ``[m, 5]``."""
        m = len(self.scale)
        places = np.stack(
            [
                0.5 * (np.searchsorted(s, v, "left") + np.searchsorted(s, v, "right"))
                for s, v in zip(self.scale.T, values.T, strict=True)
            ],
            axis=1,
        )
        # Beyond the scale's ends order is kept by a term too small to matter within it.
        spread = np.maximum(self.scale.max(0) - self.scale.min(0), _LEAST_SPREAD)
        return np.asarray(norm.ppf((places + 0.5) / (m + 1)) + 1e-3 * (values - self.scale.mean(0)) / spread)


def signals(evidence: Evidence) -> Array:
    """The five signals, higher where the given label is more suspicious, shape ``[m, 5]``."""
    return np.stack(
        [
            margin(-np.log(evidence.input_distance + _TINY), evidence.y),
            margin(-np.log(evidence.inside_distance + _TINY), evidence.y),
            margin(evidence.log_belief, evidence.y),
            evidence.mean_loss,
            evidence.last_loss,
        ],
        axis=1,
    )


def baselines(evidence: Evidence) -> dict[str, Array]:
    """What one would rank by without the score, higher where more suspicious, each ``[m]``."""
    held_out = evidence.held_out[np.arange(len(evidence.y)), evidence.y]
    values = (evidence.mean_loss, evidence.last_loss, 1.0 - evidence.agreement, 1.0 - held_out)
    return dict(zip(BASELINES, values, strict=True))


def fit_scorer(
    evidence: Evidence, planted: Mapping[str, NDArray[np.bool_]], clean: NDArray[np.bool_]
) -> Scorer:
    """Set the trust in neighbours among inputs so that planted labels are found best, mean over their kinds.

    What is averaged is AUROC plus precision among as many as were planted, each kind against the clean
    examples. Full trust is kept unless a mixture is better by more than luck, 0.6/√p with p planted labels:
    neighbours hold best where real noise is of another kind than planted.

    Args:
        evidence: From the runs on planted labels.
        planted: For each kind, which labels it changed, shape ``[m]``.
        clean: Which examples to hold them against, shape ``[m]``.

    Returns:
        The scorer, on the scale of these runs.
    """
    equal = equal_scorer(evidence)
    normal = equal.normal(signals(evidence))
    neighbours = np.eye(len(SIGNALS))[0]
    choices = np.stack([t * neighbours + (1.0 - t) * np.array(OTHERS) for t in TRUST])
    merit = np.zeros(len(choices))
    kinds = [changed for changed in planted.values() if changed.any() and clean.any()]
    for changed in kinds:
        use = changed | clean
        statistics = normal[use] @ choices.T
        merit += (auroc(statistics, changed[use]) + precision(statistics, changed[use])) / len(kinds)
    luck = _LUCK / np.sqrt(max(sum(int(changed.sum()) for changed in kinds), 1))
    best = len(choices) - 1 if merit[-1] >= merit.max() - luck else int(merit.argmax())
    return Scorer(choices[best], equal.scale)


def equal_scorer(evidence: Evidence) -> Scorer:
    """All signals weighed alike, on the scale of the given runs.

    Args:
        evidence: From the runs that set the scale.

    Returns:
        The scorer.
    """
    values = signals(evidence)
    return Scorer(np.full(values.shape[1], 1.0 / values.shape[1]), np.sort(values, axis=0))


def auroc(statistics: Array, wrong: NDArray[np.bool_]) -> Array:
    """Chance that a wrong label ranks above a right one, ties counting half (Mann–Whitney).

    Args:
        statistics: Shape ``[m]`` or ``[m, n]`` for n statistics at once.
        wrong: Shape ``[m]``.

    Returns:
        Shape ``[]`` or ``[n]``; nan where all or none are wrong.

    Example:
        >>> float(auroc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])))
        1.0
    """
    bad, good = int(wrong.sum()), int((~wrong).sum())
    if not bad or not good:
        return np.full(statistics.shape[1:], np.nan)
    ranks = rankdata(statistics, axis=0)
    return np.asarray((ranks[wrong].sum(0) - bad * (bad + 1) / 2) / (bad * good))


def precision(statistics: Array, wrong: NDArray[np.bool_]) -> Array:
    """Share of wrong labels among the k most suspicious, k being how many are wrong; ties split fairly.

    Args:
        statistics: Shape ``[m]`` or ``[m, n]``.
        wrong: Shape ``[m]``.

    Returns:
        Shape ``[]`` or ``[n]``; nan where none is wrong.

    Example:
        >>> float(precision(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])))
        1.0
        >>> float(precision(np.array([0.0, 0.0]), np.array([False, True])))
        0.5
    """
    k = int(wrong.sum())
    columns = statistics.reshape(len(statistics), -1)
    if not k:
        return np.full(statistics.shape[1:], np.nan)
    cut = -np.partition(-columns, k - 1, axis=0)[k - 1]
    above, at = columns > cut, columns == cut
    left = k - above.sum(0)
    found = (above & wrong[:, None]).sum(0) + left * (at & wrong[:, None]).sum(0) / at.sum(0)
    return np.asarray((found / k).reshape(statistics.shape[1:]))
