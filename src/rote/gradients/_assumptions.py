"""What the stability bound takes for granted, each with what is known of it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["given", "estimated", "violated", "unknown"]


@dataclass(frozen=True)
class Assumption:
    """One assumption of the bound.

    Attributes:
        name: What is assumed.
        status: ``given``: stated by you, or read from what you passed. ``estimated``: measured, with an
            error. ``violated``: seen not to hold. ``unknown``: cannot be seen from here.
        detail: What was seen.

    Example:
        >>> Assumption("plain SGD", "violated", "the optimizer is Adam").status
        'violated'
    """

    name: str
    status: Status
    detail: str


@dataclass
class Seen:
    """What an accountant has noticed besides the steps' factors; plain values, ready for JSON.

    Attributes:
        largest_norm: The largest ``‖g_i‖`` of any example; 0 where none was measured.
        norms: How many examples' norms were measured.
        curvature: The largest estimate of the smoothness; ``None`` where there is none.
        examples: Examples in all batches together.
        unsized: Steps whose batch size is not known.
        stated: Steps whose α was given as a number.
        negative: Steps whose α was below 0, and taken as 0.
        clipped: Steps whose update was shortened by gradient clipping.
        left_out: Steps left out because a gradient was not finite.
        rule: The update rule, ``SGD`` if plain; empty where it is not known.
    """

    largest_norm: float = 0.0
    norms: int = 0
    curvature: float | None = None
    examples: float = 0.0
    unsized: int = 0
    stated: int = 0
    negative: int = 0
    clipped: int = 0
    left_out: int = 0
    rule: str = ""


def assumptions(
    seen: Seen, *, m: int, steps: int, lipschitz: float | None, smoothness: float | None
) -> tuple[Assumption, ...]:
    """Every assumption of the bound, in the order of the theorem; ``None`` for constants that were not given.

    Example:
        >>> for a in assumptions(Seen(rule="SGD"), m=10, steps=0, lipschitz=1.0, smoothness=None)[:3]:
        ...     print(a.name, "|", a.status, "|", a.detail)
        every example's loss is L-Lipschitz in the weights | given | L = 1
        every example's loss is β-smooth in the weights | unknown | no β was given and none estimated
        plain SGD | given | the optimizer is SGD without momentum
    """
    return (
        _lipschitz(seen, lipschitz),
        _smooth(seen, smoothness),
        _rule(seen),
        _step_sizes(seen, steps),
        _every_step(seen, steps),
        Assumption(
            "batches are drawn without replacement, and neither their order nor the initial weights "
            "depend on the examples",
            "unknown",
            "cannot be seen from here; fine-tuning counts from the weights it starts with",
        ),
        _fresh(seen, m, steps),
        _coherence(seen, steps),
    )


def _lipschitz(seen: Seen, given: float | None) -> Assumption:
    name = "every example's loss is L-Lipschitz in the weights"
    if given is not None and seen.largest_norm > given:
        found = f"a gradient of norm {seen.largest_norm:.3g} was seen"
        return Assumption(name, "violated", f"L = {given:.3g} was given, but {found}")
    if given is not None:
        return Assumption(name, "given", f"L = {given:.3g}")
    if not seen.norms:
        return Assumption(name, "unknown", "no L was given and no gradient norm measured")
    found = f"L = {seen.largest_norm:.3g} is the largest of {seen.norms} gradient norms"
    return Assumption(name, "estimated", f"{found}; the supremum over all weights and examples is larger")


def _smooth(seen: Seen, given: float | None) -> Assumption:
    name = "every example's loss is β-smooth in the weights"
    found = seen.curvature
    if given is not None and found is not None and found > given:
        return Assumption(
            name, "violated", f"β = {given:.3g} was given, but a curvature of {found:.3g} was seen"
        )
    if given is not None:
        return Assumption(name, "given", f"β = {given:.3g}")
    if found is None:
        return Assumption(name, "unknown", "no β was given and none estimated")
    where = f"β = {found:.3g} is the largest curvature found where it was measured"
    return Assumption(name, "estimated", f"{where}; the supremum over all weights and examples is larger")


def _rule(seen: Seen) -> Assumption:
    name = "plain SGD"
    if not seen.rule:
        return Assumption(name, "unknown", "pass `optimizer` instead of `learning_rate` to have it looked at")
    if seen.rule == "SGD":
        return Assumption(name, "given", "the optimizer is SGD without momentum")
    return Assumption(name, "violated", f"the optimizer is {seen.rule}; no such bound is proved for it")


def _step_sizes(seen: Seen, steps: int) -> Assumption:
    name = "step sizes do not depend on the examples"
    if seen.clipped:
        found = f"gradient clipping shortened {seen.clipped} of {steps} steps"
        return Assumption(name, "violated", f"{found}, by factors that depend on the batch")
    return Assumption(
        name, "given", "the learning rates as passed; a schedule that watches the loss would break it"
    )


def _every_step(seen: Seen, steps: int) -> Assumption:
    name = "every step is accounted for"
    if seen.left_out:
        found = f"{seen.left_out} of {steps + seen.left_out} left out because a gradient was not finite"
        return Assumption(
            name, "unknown", f"{found}; a GradScaler skips such a step, an optimizer alone does not"
        )
    return Assumption(name, "given", f"{steps} steps, each as passed")


def _fresh(seen: Seen, m: int, steps: int) -> Assumption:
    name = "the weights before a step do not depend on the examples of its batch"
    found = f"{seen.examples:.0f} examples in all batches, {m} in the training set"
    if seen.examples > m:
        return Assumption(
            name, "violated", f"{found}, so examples came back, and α may understate how far they differ"
        )
    if not steps:
        return Assumption(name, "unknown", "no step was taken yet")
    if seen.unsized:
        return Assumption(name, "unknown", f"the batch size of {seen.unsized} of {steps} steps is not known")
    return Assumption(name, "given", f"{found}: one pass at most")


def _coherence(seen: Seen, steps: int) -> Assumption:
    name = "α is the coherence of the distribution"
    negative = f"; below 0 and taken as 0 at {seen.negative} of {steps} steps" if seen.negative else ""
    if steps and seen.stated == steps:
        return Assumption(name, "given", f"α as passed{negative}")
    found = "unbiased α of training examples, with a batch's noise, which makes √(1−α) too small on average"
    return Assumption(name, "estimated", found + negative)
