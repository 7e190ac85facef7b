"""The steps of a watched training loop, kept, pooled and, where they are not finite, marked."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rote.gradients._finite import Marked, NonFiniteGradientWarning, find_mark
from rote.gradients._record import Coherence, Statistics, single_step, undefined

KEPT_STEPS = 64
KEPT_MARKS = 1000


@dataclass(eq=False, slots=True)
class Step:
    """One batch, as it was when it was closed.

    Attributes:
        norms: Squared norms of the examples' gradients as backward made them, shape ``[L, m]``.
        squares: Squared norms of the summed gradient, by parameter reached.
        finite: Whether all of them are.
        factor: Of both, towards those of single examples' losses, clipped or not.
        clip: The factor that clipping left of the gradient.
    """

    norms: Tensor
    squares: dict[str, float]
    finite: bool
    factor: float
    clip: float = 1.0

    def matrix(self) -> NDArray[np.float64]:
        """``‖g_i‖²`` per layer, shape ``[L, m]``."""
        return as_numpy(self.norms) * self.factor


class Ledger:
    """The steps since the last reset.

    Args:
        names: The layers' names, length L.
        owners: By parameter, the index of its layer.
        scaled: Whether the loss is scaled, so that overflows are normal events and deserve no warning.
        pools: Whether steps are added up as they come; otherwise all are kept.
    """

    def __init__(
        self, names: Sequence[str], owners: Mapping[str, int], *, scaled: bool, pools: bool = True
    ) -> None:
        self.names = tuple(names)
        self.steps: list[Step] = []
        self.marked: list[Marked] = []
        self.left_out = 0
        self._mark: Marked | None = None
        self._owners, self._scaled, self._pools = owners, scaled, pools
        self._warned = scaled
        self._folded: Statistics | None = None
        self._last: Step | None = None

    def add(self, step: Step, number: int) -> bool:
        """Keep a step, or mark it if it is not finite; whether it was kept."""
        self._last = step
        if step.finite:
            self.steps.append(step)
            if self._pools and len(self.steps) >= KEPT_STEPS:
                self.pooled()
            return True
        s2 = self._by_layer(step).tolist()
        mark = find_mark(list(step.norms), self.names, s2, step=number, scaled=self._scaled)
        # What is finite layer by layer may overflow in the total.
        self._mark = mark or Marked(number, self.names[0], (), "overflow")
        self.left_out += 1
        if self.left_out <= KEPT_MARKS:
            self.marked.append(self._mark)
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._mark}: the step is left out of compute(); so will later ones be, without a "
                "warning: see `meter.marked`.",
                NonFiniteGradientWarning,
                stacklevel=3,
            )
        return False

    def pooled(self) -> Statistics | None:
        """Sums over the steps; added up now and then, so that a step costs a few tensor operations only."""
        if self.steps:
            one = self.statistics_of(self.steps[0]) if len(self.steps) == 1 else self._added_up()
            self._folded = one if self._folded is None else self._folded + one
        self.steps.clear()
        return self._folded

    def last(self, ways: Mapping[str, str]) -> Coherence | None:
        """The last step alone; ``None`` before the first."""
        step = self._last
        if step is None:
            return None
        if step.finite:
            return self.statistics_of(step).coherence(ways=ways)
        return undefined(self.names, f"left out, {self._mark}", step.matrix().sum(0), ways)

    def statistics_of(self, step: Step) -> Statistics:
        """The sums of one step."""
        matrix = step.matrix()
        return single_step(self.names, self._by_layer(step), matrix.sum(1), matrix.sum(0), step.clip)

    def reset(self) -> None:
        """Forget all steps."""
        self._folded = self._last = None
        self.steps.clear()
        self.marked.clear()
        self.left_out = 0

    def _added_up(self) -> Statistics:
        """The sums of several steps at once."""
        sizes = np.array([step.norms.shape[1] for step in self.steps])
        q = np.stack([step.norms.cpu().numpy().sum(1, dtype=np.float64) * step.factor for step in self.steps])
        s2 = np.stack([self._by_layer(step) for step in self.steps])
        clip = sum(step.clip for step in self.steps) / len(self.steps)
        count = len(self.steps)
        return Statistics(self.names, s2.sum(0), q.sum(0), sizes @ q, count, int(sizes.sum()), clip=clip)

    def _by_layer(self, step: Step) -> NDArray[np.float64]:
        s2 = [0.0] * len(self.names)
        for name, square in step.squares.items():
            s2[self._owners[name]] += square
        return np.array(s2) * step.factor


def all_finite(values: Sequence[float]) -> bool:
    """Whether no value is nan or infinite.

    Example:
        >>> all_finite([1.0, 2.0]), all_finite([1.0, float("nan")])
        (True, False)
    """
    return math.isfinite(sum(values))


def as_numpy(norms: Tensor) -> NDArray[np.float64]:
    """A copy in float64 on the CPU."""
    return norms.cpu().numpy().astype(np.float64)
