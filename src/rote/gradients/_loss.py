"""How a loss is reduced over the examples of a batch."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from rote.errors import InputError

Loss = Callable[[Any, Tensor], Tensor]
#: Losses whose mean is known to be ``Σ w l / Σ w`` over the targets, with w = 0 where a target is ignored.
_WEIGHING = (nn.CrossEntropyLoss, nn.NLLLoss)


class ReductionCheck:
    """How a loss is reduced over the examples: mean or sum, found out on the first batch and held to later.

    The mean of a stock classification loss may weigh its targets (class weights, ignored targets). Then each
    example's part of the loss is ``w_i l_i / Σ w``, with the sum over the whole sample: the loss is taken as
    a sum, and what comes of it is divided by the sample's weight. That is known beforehand (:meth:`weigh`)
    or at the end (:meth:`count`, :attr:`correction`). Any other uneven mean is refused.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.mean: bool | None = None
        self.uneven = False
        self._summed = _summed(loss)
        self._examples, self._weight = 0, 0.0
        self._positions = 0  # targets of one example of the first batch
        self._known: float | None = None  # examples over weight, of the whole sample

    def __call__(self, outputs: Any, y: Tensor) -> tuple[Tensor, float]:  # noqa: ANN401
        """The loss of a batch and the factor that turns its gradient into the sum over the examples."""
        if self._weighs(y):
            return self._weighed(outputs, y)
        value = self._value(self.loss, outputs, y)
        if len(y) > 1:
            self._find_out(outputs, y, value)
        return value, float(len(y)) if self.mean in (None, True) else 1.0

    def weigh(self, targets: Iterable[Tensor]) -> None:
        """Look at all the targets of a sample beforehand; the factors are then right from the first batch."""
        for y in targets:
            self.count(y)
        if self._weight > 0:
            self._known = self._examples / self._weight

    def count(self, y: Tensor) -> None:
        """Note that the examples with these targets belong to the sample."""
        if self._weighs(y):
            weight, uneven = weight_of(self.loss, y)
            self.uneven |= uneven
            self._examples += len(y)
            self._weight += weight

    @property
    def correction(self) -> float:
        """What gradients are to be multiplied with at the end, when every batch has been counted."""
        if self._known is not None or not self._positions or self._weight <= 0:
            return 1.0
        return self._positions * self._examples / self._weight

    @property
    def remark(self) -> str:
        """What was done, in words, where targets weigh differently."""
        if not self.uneven:
            return ""
        return (
            f"the loss is a weighted mean: each example's part is taken of its sum, over the sample's weight "
            f"{self._weight:g}"
        )

    def _weighs(self, y: Tensor) -> bool:
        return self._summed is not None and not y.is_floating_point()

    def _weighed(self, outputs: Any, y: Tensor) -> tuple[Tensor, float]:  # noqa: ANN401
        """The mean, or the sum where targets weigh differently, and the factor."""
        assert self._summed is not None
        self._positions = self._positions or y.numel() // max(len(y), 1)
        uneven = weight_of(self.loss, y)[1]
        targets = 1 if uneven else y.numel()
        value = self._value(self._summed if uneven else self.loss, outputs, y)
        return value, targets / self._positions if self._known is None else targets * self._known

    def _value(self, loss: Loss, outputs: Any, y: Tensor) -> Tensor:  # noqa: ANN401
        value = loss(outputs, y)
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                "`loss` must return one number per batch, the mean or the sum over its examples. "
                f"Got {shape}: use reduction='mean'."
            )
        return value

    def _find_out(self, outputs: Any, y: Tensor, value: Tensor) -> None:  # noqa: ANN401
        """Whether doubling a half doubles its loss; then, always, whether the halves give the whole."""
        m, half, whole = len(y), len(y) // 2, float(value.detach())
        if not isinstance(outputs, Tensor) or len(outputs) != m:
            self.mean = getattr(self.loss, "reduction", "mean") == "mean"
            return
        if not math.isfinite(whole):
            return  # reported elsewhere, with its example
        with torch.no_grad():
            parts = [(outputs[:half], y[:half]), (outputs[half:], y[half:])]
            first, second = (float(self._value(self.loss, *part)) for part in parts)
            size, mean = abs(first) + abs(second), self.mean
            if mean is None and math.isfinite(size) and size > 0:
                o, t = parts[0] if abs(first) >= abs(second) else parts[1]
                doubled = float(self._value(self.loss, torch.cat([o, o]), torch.cat([t, t])))
                once = float(self._value(self.loss, o, t))
                mean = abs(doubled - once) <= abs(doubled - 2 * once)
        guess = first + second if mean is False else (half * first + (m - half) * second) / m
        if math.isfinite(size) and abs(guess - whole) <= 1e-4 * size + 1e-12:
            self.mean = mean
            return
        raise InputError(
            "`loss` must be the mean or the sum over the examples of a batch, so that single examples have a "
            "gradient. Got a loss that does not follow from those of the batch's two halves: if it is a mean "
            "with class weights or ignored targets, use reduction='sum', or nn.CrossEntropyLoss itself."
        )


def weight_of(loss: Any, y: Tensor) -> tuple[float, bool]:  # noqa: ANN401
    """What the mean of a stock classification loss divides by, and whether its targets weigh differently.

    Example:
        >>> weight_of(nn.CrossEntropyLoss(), torch.tensor([0, 1, -100]))
        (2.0, True)
        >>> weight_of(nn.CrossEntropyLoss(torch.tensor([0.5, 2.0])), torch.tensor([0, 1, 1]))
        (4.5, True)
    """
    counted = y != loss.ignore_index
    if loss.weight is None:
        return float(counted.sum()), not bool(counted.all())
    return float(loss.weight.detach().double()[y[counted]].sum()), True


def _summed(loss: Any) -> Any:  # noqa: ANN401
    """The same loss with reduction "sum", if it is a stock one with a weighted mean; else ``None``."""
    if type(loss) not in _WEIGHING or loss.reduction != "mean":
        return None
    twin = copy.copy(loss)
    twin.reduction = "sum"
    return twin
