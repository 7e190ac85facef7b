"""The stability bound with everything it rests on, and what it says, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rote.gradients._assumptions import Assumption
from rote.gradients._bound import StabilityBound, finite, in_words


@dataclass(frozen=True)
class StabilityReport:
    """The bound with everything it rests on.

    Attributes:
        m: Examples trained on.
        steps: T.
        lipschitz: L, given or estimated; ``None`` where neither, which only a run without steps can do with.
        smoothness: β, likewise.
        bound: The bound in both forms.
        assumptions: Each with what is known of it.
        vacuous: Whether the sharper form reaches the loss's range; ``None`` where that was not given.
        verdict: What the bound says, in one sentence.

    Example:
        >>> bound = StabilityBound(0.5, math.log10(0.5), 0.2, math.log10(0.2))
        >>> print(StabilityReport(1000, 3, 2.0, 1.0, bound, (), *judge(bound, 2.3, ())))
        |E test loss − training loss| ≤ 0.2, with L for every gradient 0.5 (m = 1000, T = 3, L = 2, β = 1).
        The bound, 0.2, is below the loss's range, 2.3, and as good as its assumptions.
    """

    m: int
    steps: int
    lipschitz: float | None
    smoothness: float | None
    bound: StabilityBound
    assumptions: tuple[Assumption, ...]
    vacuous: bool | None
    verdict: str

    def __str__(self) -> str:
        sharper, plain = in_words(self.bound.sharper_log10), in_words(self.bound.log10)
        L, beta = (
            "unknown" if value is None else f"{value:.4g}" for value in (self.lipschitz, self.smoothness)
        )
        head = (
            f"|E test loss − training loss| ≤ {sharper}, with L for every gradient {plain} "
            f"(m = {self.m}, T = {self.steps}, L = {L}, β = {beta})."
        )
        rows = [f"  {a.status:<9}  {a.name}: {a.detail}" for a in self.assumptions]
        return "\n".join([head, self.verdict, *rows])

    def to_dict(self) -> dict[str, Any]:
        """A dictionary ready for JSON; nan and inf become ``None``."""
        rows = [vars(a) for a in self.assumptions]
        return {**finite(vars(self)), "bound": self.bound.to_dict(), "assumptions": rows}


def judge(
    bound: StabilityBound, loss_range: float | None, rows: Sequence[Assumption]
) -> tuple[bool | None, str]:
    """Whether the bound is vacuous, and one sentence that says so.

    Example:
        >>> judge(StabilityBound(math.inf, 400.5, math.inf, 312.5), 2.0, ())[0]
        True
    """
    said = in_words(bound.sharper_log10)
    if bound.sharper_log10 == -math.inf:
        return False, "The bound is 0: nothing in this run could set training and test loss apart."
    if loss_range is None:
        return None, (
            f"Whether the bound, {said}, says anything is unknown, as no range of the loss was given; read "
            "it for which steps and runs weigh more, not for size."
        )
    ratio = bound.sharper_log10 - math.log10(loss_range)
    if ratio >= 0:
        return True, (
            f"The bound is vacuous: it is {in_words(ratio)} times the loss's range, {loss_range:.3g}, and "
            "says nothing about the gap's size; read it for which steps and runs weigh more."
        )
    counts = [(sum(a.status == s for a in rows), s) for s in ("violated", "estimated", "unknown")]
    doubts = ", ".join(f"{count} {status}" for count, status in counts if count)
    which = f": {doubts} of {len(rows)}" if doubts else ""
    return False, (
        f"The bound, {said}, is below the loss's range, {loss_range:.3g}, and as good as its "
        f"assumptions{which}."
    )
