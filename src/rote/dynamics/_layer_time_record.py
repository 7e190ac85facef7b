"""What :func:`layer_by_time` found: matrices, and the summaries that are drawn from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rote.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerTime:
    """Similarity of layers at T steps with the L layers at the end, by measure.

    Attributes:
        steps: The steps, rising; the last is the end.
        layers: Names of layers, in the order in which they run.
        similarity: By measure, shape ``[T, L, L]``: at a step (first index) a layer then (second) with a
            layer at the end (third). nan where an index would mean nothing.
        initial: By measure, shape ``[L]``: each layer of the initial network with itself at the end.
        other: The same of another seed's end; ``None`` if none was given.
        n: Examples in the probe.
        probe: Its SHA-256.
        warnings: Where there are too few examples for an index.

    Example:
        >>> s = np.array([[[0.5, 0.1], [0.1, 0.0]], [[0.96, 0.1], [0.1, 0.4]], [[1.0, 0.2], [0.2, 1.0]]])
        >>> first = {"CKA": np.array([0.5, 0.0])}
        >>> found = LayerTime((0, 10, 20), ("a", "b"), {"CKA": s}, first, None, 99, "")
        >>> found
        LayerTime: 3 steps (0 … 20), 2 layers, 99 examples
          CKA: settled from below, Spearman(depth, t90) = 1.00
            a  at first 0.50, t90 = 10
            b  at first 0.00, t90 = 20
    """

    steps: tuple[int, ...]
    layers: tuple[str, ...]
    similarity: Mapping[str, Floats]
    initial: Mapping[str, Floats]
    other: Mapping[str, Floats] | None
    n: int
    probe: str
    warnings: tuple[str, ...] = ()

    def diagonal(self, measure: str = "CKA") -> Floats:
        """Each layer with itself at the end, shape ``[T, L]``.

        Raises:
            InputError: If the measure was not taken.
        """
        return np.diagonal(self._of(self.similarity, measure), axis1=1, axis2=2).copy()

    def excess(self, measure: str = "CKA") -> Floats:
        """Share of the way from the initial network to the end, ``(s - s₀) / (1 - s₀)``, shape ``[T, L]``.

        nan for a layer that was at its end from the start.

        Raises:
            InputError: If the measure was not taken.
        """
        start = self._of(self.initial, measure)
        way = np.where(1 - start > 1e-6, 1 - start, nan)
        return np.asarray((self.diagonal(measure) - start) / way)

    def reached(self, measure: str = "CKA", *, level: float = 0.9) -> Floats:
        """The first step at which each layer's excess is at least ``level``, shape ``[L]``: t90.

        nan for a layer without an excess.

        Raises:
            InputError: If the measure was not taken.
        """
        there = self.excess(measure) >= level
        first = np.asarray(self.steps, np.float64)[there.argmax(axis=0)]
        return np.where(there.any(axis=0), first, nan)

    def bottom_up(self, measure: str = "CKA", *, level: float = 0.9, without_last: int = 0) -> float:
        """Spearman's correlation of depth and :meth:`reached`: 1 if layers settle strictly from below.

        Args:
            measure: The index.
            level: The share of the way that counts as settled.
            without_last: Layers at the top to leave out; the very last ones are known to settle early, so
                say it with and without two.

        Returns:
            nan with fewer than three layers left, or if all settle at once.

        Raises:
            InputError: If the measure was not taken.
        """
        when = self.reached(measure, level=level)[: len(self.layers) - without_last]
        depth = np.flatnonzero(np.isfinite(when))
        if len(depth) < (2 if len(self.layers) == 2 else 3) or len(set(when[depth])) == 1:
            return nan
        return float(spearmanr(depth, when[depth]).statistic)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON (nan as ``None``)."""
        return {
            "steps": list(self.steps),
            "layers": list(self.layers),
            "similarity": {name: _plain(value) for name, value in self.similarity.items()},
            "initial": {name: _plain(value) for name, value in self.initial.items()},
            "other": None if self.other is None else {n: _plain(v) for n, v in self.other.items()},
            "n": self.n,
            "probe": self.probe,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "LayerTime":
        """The inverse of :meth:`to_dict`."""

        def arrays(key: str) -> dict[str, Floats]:
            return {name: np.array(value, np.float64) for name, value in record[key].items()}

        return cls(
            steps=tuple(record["steps"]),
            layers=tuple(record["layers"]),
            similarity=arrays("similarity"),
            initial=arrays("initial"),
            other=None if record["other"] is None else arrays("other"),
            n=record["n"],
            probe=record["probe"],
            warnings=tuple(record["warnings"]),
        )

    def __repr__(self) -> str:
        lines = [
            f"LayerTime: {len(self.steps)} steps ({self.steps[0]} … {self.steps[-1]}), "
            f"{len(self.layers)} layers, {self.n:,} examples"
        ]
        for measure in self.similarity:
            order = self.bottom_up(measure)
            words = "settled from below" if order > 0.5 else "no order"
            words = "settled from above" if order < -0.5 else words
            lines.append(f"  {measure}: {words}, Spearman(depth, t90) = {order:.2f}")
            width = max(map(len, self.layers))
            rows = zip(self.layers, self.initial[measure], self.reached(measure), strict=True)
            lines += [f"    {name:<{width}}  at first {s:.2f}, t90 = {t:g}" for name, s, t in rows]
        return "\n".join([*lines, *(f"  warning: {words}" for words in self.warnings)])

    def _of(self, found: Mapping[str, Floats], measure: str) -> Floats:
        if measure not in found:
            raise InputError(f"`measure` must be one of {', '.join(found)}. Got {measure!r}.")
        return found[measure]


def _plain(values: Floats) -> Any:  # noqa: ANN401, nested lists
    if values.ndim == 0:
        return float(values) if isfinite(values) else None
    return [_plain(row) for row in values]
