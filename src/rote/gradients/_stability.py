"""The stability accountant: the generalization bound of coherent gradients, added up while a model trains."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from torch.optim import Optimizer

from rote.errors import InputError
from rote.gradients._assumptions import Seen, assumptions
from rote.gradients._bound import StabilityBound, StabilityFactors, stability_factors
from rote.gradients._record import Coherence
from rote.gradients._smoothness import Smoothness
from rote.gradients._stability_report import StabilityReport, judge
from rote.gradients._stability_step import read_measured, read_rate

SCHEMA = 1
_SERIES = ("learning_rate", "alpha", "gradient_norm")


class StabilityAccountant:
    """Adds up the stability bound of coherent gradients (arXiv 2203.10036), step by step.

    Training and test loss of SGD differ in expectation by at most
    ``(L/m) Σ_t [Π_{k>t} (1 + η_k β)] η_t ḡ_t √(2(1 − α_t))``, where ``α_t`` is the coherence and ``ḡ_t ≤ L``
    the root mean square of the gradients at the weights before step t. Incoherence sets a run on some
    examples apart from a run on others, and every later step can amplify that: coherence early is worth more
    than late. Compare steps and runs by it; its size is far too large in practice, as :meth:`report` says.

    α is that of the distribution, so the unbiased coherence is taken, clipped to 0…1. A step takes 24 bytes.

    Args:
        m: Examples in the training set (not in a batch).
        lipschitz: L, a bound of ``‖g_i‖`` for all weights and examples; ``None``: the largest norm seen,
            which is too small.
        smoothness: β, a bound of the Hessian's norm for all weights and examples; or an estimate of it by
            :func:`rote.gradients.smoothness`, which may also come later: see :meth:`note`.

    Raises:
        InputError: If m, L or β is no such number.

    Example:
        >>> accountant = StabilityAccountant(1000, lipschitz=2.0, smoothness=1.0)
        >>> for _ in range(3):
        ...     accountant.step(alpha=0.5, learning_rate=0.1)  # or step(meter.last, optimizer=optimizer)
        >>> round(accountant.bound().value, 6), accountant.factors().amplification.round(3)
        (0.001324, array([1.21, 1.1 , 1.  ]))
    """

    def __init__(
        self, m: int, *, lipschitz: float | None = None, smoothness: float | Smoothness | None = None
    ) -> None:
        if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 1:
            raise InputError(f"`m` must be the number of training examples, at least 1. Got {m!r}.")
        self.m = int(m)
        self._lipschitz = _constant("lipschitz", lipschitz)
        self._smoothness: float | None = None
        self._series = {name: array("d") for name in _SERIES}
        self._seen = Seen()
        if isinstance(smoothness, Smoothness):
            self.note(smoothness)
        else:
            self._smoothness = _constant("smoothness", smoothness)

    def __len__(self) -> int:
        return len(self._series["alpha"])

    def __repr__(self) -> str:
        return f"StabilityAccountant(m={self.m}, steps={len(self)})"

    @property
    def lipschitz(self) -> float | None:
        """L as given, else the largest gradient norm seen; ``None`` where neither is known."""
        seen = self._seen.largest_norm if self._seen.norms else None
        return seen if self._lipschitz is None else self._lipschitz

    @property
    def smoothness(self) -> float | None:
        """β as given, else the largest estimate noted; ``None`` where neither is known."""
        return self._seen.curvature if self._smoothness is None else self._smoothness

    def step(
        self,
        coherence: Coherence | None = None,
        *,
        learning_rate: float | None = None,
        optimizer: Optimizer | None = None,
        alpha: float | None = None,
        squared_norms: ArrayLike | None = None,
        batch_size: int | None = None,
        repeat: int = 1,
    ) -> None:
        """Account for one step of the optimizer.

        Args:
            coherence: Measured at the weights before the step: ``meter.last``, or that of a fixed sample.
                Its ``clip``, what ``watch(..., clipping="after")`` saw clipping leave, shortens the step.
                One whose gradients are not finite is left out, as a ``GradScaler`` leaves out its step.
            learning_rate: η of the mean loss; of a loss summed over b examples b times the optimizer's.
            optimizer: Instead: read η from it (the largest of its groups'), and whether it is plain SGD.
            alpha: Instead of ``coherence``: the coherence of the distribution, or its unbiased estimate.
            squared_norms: With ``alpha``: ``‖g_i‖²`` of any number of examples, for ``ḡ`` and L.
            batch_size: Examples in the step's batch, if they are not those of ``coherence``.
            repeat: How many steps in a row this measurement stands for.

        Raises:
            InputError: If not exactly one of each pair is given, α is no coherence, or the sample is larger
                than the training set.

        Example:
            >>> accountant = StabilityAccountant(100, smoothness=1.0)
            >>> accountant.step(alpha=0.2, learning_rate=0.1, squared_norms=[4.0, 0.0], repeat=5)
            >>> len(accountant), accountant.lipschitz
            (5, 2.0)
        """
        rate, rule = read_rate(learning_rate, optimizer)
        found = read_measured(coherence, alpha, squared_norms)
        if repeat < 1:
            raise InputError(f"`repeat` must be at least 1, the steps measured at once. Got {repeat}.")
        if math.isnan(found.alpha):
            self._seen.left_out += repeat
            return
        size = found.examples if batch_size is None else batch_size
        if size is not None and not 1 <= size <= self.m:
            raise InputError(
                f"`m` must be the number of training examples, at least those of a batch. Got m={self.m} and "
                f"a batch of {size:g}."
            )
        values = (rate * found.clip, min(max(found.alpha, 0.0), 1.0), found.rms_norm)
        for series, value in zip(self._series.values(), values, strict=True):
            series.extend([value] * int(repeat))
        seen = self._seen
        seen.largest_norm = max(seen.largest_norm, found.largest_norm)
        seen.norms += found.norms
        seen.clipped += repeat if found.clip < 1 else 0
        seen.negative += repeat if found.alpha < 0 else 0
        seen.stated += repeat if coherence is None else 0
        seen.unsized += repeat if size is None else 0
        seen.examples += repeat * float(size or 0)
        seen.rule = rule if rule and seen.rule in ("", "SGD") else seen.rule

    def note(self, estimate: Smoothness) -> None:
        """Take an estimate of β into account; the largest counts, for β must hold along the whole way.

        Example:
            >>> accountant = StabilityAccountant(100)
            >>> accountant.note(Smoothness(3.0, 2.0, -2.0, (3.0,), (4,), 12, True))
            >>> accountant.smoothness
            3.0
        """
        self._seen.curvature = max(self._seen.curvature or 0.0, estimate.value)

    def factors(self) -> StabilityFactors:
        """What each step adds to the bound, and why, as arrays over the steps.

        Raises:
            InputError: If L or β is not known.
        """
        lipschitz, smoothness = self._constants()
        # Copies, since a view of the series would forbid further steps.
        rate, alpha, norm = (np.array(self._series[name], dtype=np.float64) for name in _SERIES)
        return stability_factors(rate, alpha, norm, m=self.m, lipschitz=lipschitz, smoothness=smoothness)

    def bound(self) -> StabilityBound:
        """The bound over all steps so far; 0 before the first.

        Raises:
            InputError: If L or β is not known.
        """
        return self.factors().bound()

    def report(self, *, loss_range: float | None = None) -> StabilityReport:
        """The bound, each assumption with what is known of it, and whether the bound says anything.

        Args:
            loss_range: By how much the loss can differ at all; ``ln C``, which a guess among C classes costs,
                is a fair choice for cross-entropy. A bound above it is vacuous.

        Raises:
            InputError: If L or β is not known, or the range is not positive.

        Example:
            >>> accountant = StabilityAccountant(1000, lipschitz=2.0, smoothness=1.0)
            >>> accountant.step(alpha=0.5, learning_rate=0.1)
            >>> accountant.report(loss_range=2.3).vacuous
            False
        """
        if loss_range is not None and not (math.isfinite(loss_range) and loss_range > 0):
            raise InputError(f"`loss_range` must be a positive number. Got {loss_range}.")
        bound = self.bound()
        constants = {"lipschitz": self._lipschitz, "smoothness": self._smoothness}
        rows = assumptions(self._seen, m=self.m, steps=len(self), **constants)
        vacuous, verdict = judge(bound, loss_range, rows)
        seen = (self.lipschitz, self.smoothness)
        return StabilityReport(self.m, len(self), *seen, bound, rows, vacuous, verdict)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; :meth:`from_dict` goes on from there, bit for bit.

        Example:
            >>> accountant = StabilityAccountant(100, lipschitz=1.0, smoothness=1.0)
            >>> accountant.step(alpha=0.2, learning_rate=0.1)
            >>> StabilityAccountant.from_dict(accountant.to_dict()).bound() == accountant.bound()
            True
        """
        series = {n: [None if math.isnan(v) else v for v in values] for n, values in self._series.items()}
        constants = {"m": self.m, "lipschitz": self._lipschitz, "smoothness": self._smoothness}
        return {"schema": SCHEMA, **constants, "seen": asdict(self._seen), **series}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """An accountant that goes on where :meth:`to_dict` left off.

        Raises:
            InputError: If the record was not made by :meth:`to_dict` of this version.
        """
        made = f"`record` must be what to_dict() returned, of schema {SCHEMA}."
        if record.get("schema") != SCHEMA:
            raise InputError(f"{made} Got schema {record.get('schema')!r}.")
        try:
            new = cls(record["m"], lipschitz=record["lipschitz"], smoothness=record["smoothness"])
            new._seen = Seen(**record["seen"])
            for name, series in new._series.items():
                series.extend(math.nan if value is None else value for value in record[name])
        except (KeyError, TypeError) as error:
            raise InputError(f"{made} Got one that is damaged: {error}.") from error
        if len({len(series) for series in new._series.values()}) > 1:
            raise InputError(f"{made} Got series that differ in length.")
        return new

    def _constants(self) -> tuple[float, float]:
        """L and β; before the first step none is needed."""
        lipschitz, smoothness = self.lipschitz, self.smoothness
        if len(self) and smoothness is None:
            raise InputError(
                "`smoothness` must be known for the bound. Got none: give it to StabilityAccountant(...), or "
                "pass rote.gradients.smoothness(model, loss, examples) to note()."
            )
        if len(self) and lipschitz is None:
            raise InputError(
                "`lipschitz` must be known for the bound. Got none, and no gradient norm to estimate it "
                "from: give it to StabilityAccountant(...), or `squared_norms` to step()."
            )
        return lipschitz or 0.0, smoothness or 0.0


def _constant(name: str, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise InputError(f"`{name}` must be a finite number, at least 0. Got {value}.")
    return None if value is None else float(value)
