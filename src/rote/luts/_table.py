"""The giant table: one entry for each pattern of all inputs."""

from collections import Counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from rote._native import pack_bits
from rote.errors import InputError
from rote.luts._binarise import Quantiles
from rote.luts._estimator import is_bits
from rote.luts._recipe import TIES


class LookupTable(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """One lookup table on all inputs: for each pattern, the class that most examples with it have.

    Chatterjee (2018), `Learning and Memorization <https://proceedings.mlr.press/v80/chatterjee18a.html>`_: it
    memorises everything and generalises to nothing but the patterns it has seen.

    Args:
        ties: What a pattern answers that two classes share, or that was never seen: a frozen ``"random"``
            class, ``"zero"`` or ``"one"`` (the first or the second of two classes), the ``"majority"`` class,
            or what its seen ``"neighbours"`` say, which differ in one bit. A tie is settled among the classes
            that share it. Where the rule is undecided itself, the frozen random class decides.
        seed: Of the frozen random classes; each pattern has its own, whenever it is asked for.

    Attributes:
        classes_: The classes, sorted.
        counts_: By pattern (its packed bits), how many examples of each class have it.

    Example:
        Three inputs; 000 to 110 have been seen, most of them with more than one label, 111 never.

        >>> seen = {"000": "00", "001": "001", "010": "1", "011": "110", "100": "0", "101": "01", "110": "1"}
        >>> X = np.array([[int(bit) for bit in pattern] for pattern, ys in seen.items() for y in ys])
        >>> y = [int(label) for labels in seen.values() for label in labels]
        >>> table = LookupTable(ties="one").fit(X, y)
        >>> every = np.array([[p >> 2 & 1, p >> 1 & 1, p & 1] for p in range(8)])
        >>> table.predict(every).tolist()  # 101 is tied, 111 unseen
        [0, 0, 1, 1, 0, 1, 1, 1]
        >>> LookupTable(ties="neighbours").fit(X, y).predict(every)[[5, 7]].tolist()
        [0, 1]
    """

    def __init__(self, *, ties: str = "random", seed: int = 0) -> None:
        self.ties = ties
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Count the classes of each pattern of ``X [m, features]``.

        Raises:
            InputError: If ``ties`` is unknown, or ``"zero"`` or ``"one"`` with more than two classes, or all
                examples are of one class.
        """
        if self.ties not in TIES:
            raise InputError(f"`ties` must be one of {', '.join(TIES)}. Got {self.ties!r:.80}.")
        rows, given = validate_data(self, X, y)
        check_classification_targets(given)
        self.classes_, labels = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"`y` must have at least two classes. Got one class, {self.classes_[0]!r}.")
        if len(self.classes_) > 2 and self.ties in ("zero", "one"):
            raise InputError(
                f'`ties="{self.ties}"` is for two classes. Got {len(self.classes_)}: choose "random" or '
                f'"majority".'
            )
        self.binariser_ = None if is_bits(rows) else Quantiles(8).fit(rows)
        self.counts_: dict[bytes, NDArray[np.int64]] = {}
        for pattern, label in zip(self._patterns(rows), labels.tolist(), strict=True):
            self.counts_.setdefault(pattern, np.zeros(len(self.classes_), np.int64))[label] += 1
        self.totals_ = np.bincount(labels)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities ``[m, classes]``: ``c + 1`` of each class, one more of the answer, as shares.

        An unseen pattern's answer so has ``2 / (classes + 1)``.
        """
        check_is_fitted(self, "counts_")
        rows = validate_data(self, X, reset=False)
        none = np.zeros(len(self.classes_), np.int64)
        proba = np.empty((len(rows), len(self.classes_)))
        known: dict[bytes, int] = {}
        for i, pattern in enumerate(self._patterns(rows)):
            counts = self.counts_.get(pattern, none)
            if pattern not in known:
                known[pattern] = self._answer(pattern, counts)
            proba[i] = counts + 1
            proba[i, known[pattern]] += 1
        return np.asarray(proba / proba.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class of each example, ``[m]``."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    @property
    def once_(self) -> int:
        """How many patterns were seen once."""
        check_is_fitted(self, "counts_")
        return Counter(int(counts.sum()) for counts in self.counts_.values())[1]

    def _patterns(self, X: NDArray[Any]) -> list[bytes]:
        bits = X != 0 if self.binariser_ is None else self.binariser_.transform(X)
        return [row.tobytes() for row in pack_bits(np.ascontiguousarray(bits))]

    def _answer(self, pattern: bytes, counts: NDArray[np.int64]) -> int:
        best = np.flatnonzero(counts == counts.max())
        if len(best) == 1:
            return int(best[0])
        if self.ties in ("zero", "one"):
            return int(self.ties == "one")
        if self.ties == "majority":
            best = best[self.totals_[best] == self.totals_[best].max()]
        elif self.ties == "neighbours":
            around = self._around(pattern)
            best = best[around[best] == around[best].max()]
        return int(best[self._chance(pattern) % len(best)])

    def _around(self, pattern: bytes) -> NDArray[np.int64]:
        """Counts of the patterns one bit away."""
        sum_ = np.zeros(len(self.classes_), np.int64)
        number = int.from_bytes(pattern, "little")
        for bit in range(8 * len(pattern)):
            other = (number ^ (1 << bit)).to_bytes(len(pattern), "little")
            sum_ += self.counts_.get(other, 0)
        return sum_

    def _chance(self, pattern: bytes) -> int:
        words = [int(word) for word in np.frombuffer(pattern, np.uint32)]
        return int(np.random.SeedSequence([self.seed, *words]).generate_state(1)[0])
