"""Gradients that are not finite, named."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rote.errors import InputError

#: Examples that a mark lists at most.
LISTED = 16


class NonFiniteGradientWarning(UserWarning):
    """A step of a watched training loop had a gradient that is not finite, and was left out.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():  # to go on without a word; meter.marked still lists the steps
        ...     warnings.simplefilter("ignore", NonFiniteGradientWarning)
    """


@dataclass(frozen=True, slots=True)
class Marked:
    """A step that was left out because a gradient in it is not finite.

    Attributes:
        step: Number of the ``update()``, from 0, since the meter was made or reset.
        layer: The first layer, in the model's order, with such a gradient.
        examples: Which examples of the batch have one there, the first 16 of them; empty where only the sum
            of the gradients is not finite.
        kind: ``"nan"``, ``"inf"``, or ``"overflow"``: of a loss scaled by a ``GradScaler``, a normal event.

    Example:
        >>> print(Marked(7, "fc", (3,), "nan"))
        step 7: nan in the gradient of example 3 in layer `fc`
    """

    step: int
    layer: str
    examples: tuple[int, ...]
    kind: str

    def __str__(self) -> str:
        more = f" and {len(self.examples) - 1} more" if len(self.examples) > 1 else ""
        whose = f"example {self.examples[0]}{more}" if self.examples else "the batch"
        return f"step {self.step}: {self.kind} in the gradient of {whose} in layer `{self.layer}`"


def find_mark(
    norms: Sequence[Tensor], names: Sequence[str], squares: Sequence[float], *, step: int, scaled: bool
) -> Marked | None:
    """What is not finite in a step, or ``None``.

    Args:
        norms: Squared norms of the examples per layer, each ``[m]``.
        names: The layers' names, as many.
        squares: ``‖S_l‖²`` per layer, as many.
        step: Number of the step.
        scaled: Whether the loss is scaled, so that gradients may overflow.

    Example:
        >>> find_mark([torch.tensor([1.0, float("inf")])], ["fc"], [1.0], step=0, scaled=False)
        Marked(step=0, layer='fc', examples=(1,), kind='inf')
    """
    for name, n, square in zip(names, norms, squares, strict=True):
        bad = (~n.isfinite()).nonzero().flatten().tolist()
        if bad or not math.isfinite(square):
            nan = bool(n.isnan().any()) or math.isnan(square)
            kind = "overflow" if scaled else "nan" if nan else "inf"
            return Marked(step, name, tuple(bad[:LISTED]), kind)
    return None


def check_finite(norms: Sequence[Tensor], names: Sequence[str], index: Tensor) -> None:
    """Raise naming the first layer and example (by its entry in ``index``) whose gradient is not finite.

    Args:
        norms: Squared norms per layer, each ``[m]``.
        names: The layers' names.
        index: Number of each example in the user's sample, shape ``[m]``.

    Raises:
        InputError: If some squared norm is nan or infinite.

    Example:
        >>> check_finite(  # doctest: +IGNORE_EXCEPTION_DETAIL
        ...     [torch.tensor([1.0, float("nan")])], ["fc"], torch.tensor([5, 6])
        ... )
        Traceback (most recent call last):
        ...
        rote.errors.InputError: The gradient of example 6 in layer `fc` is not finite: ...
    """
    if bool(torch.stack([n.sum() for n in norms]).isfinite().all()):
        return
    mark = find_mark(norms, names, [0.0] * len(names), step=0, scaled=False)
    if mark is not None:
        raise InputError(
            f"The gradient of example {int(index[mark.examples[0]])} in layer `{mark.layer}` is not finite: "
            "look at this example's input, target and loss, or lower the learning rate."
        )
