"""How a loss is reduced over the examples of a batch."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rote.errors import InputError

Loss = Callable[[Any, Tensor], Tensor]


class ReductionCheck:
    """How a loss is reduced over the examples, found out on the first batch: mean or sum.

    A mean whose weights differ by example (class weights, ignored targets) has no gradient per example that
    stays the same in another batch; it is refused, and the sum is the remedy.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.mean: bool | None = None

    def __call__(self, outputs: Any, y: Tensor) -> tuple[Tensor, float]:  # noqa: ANN401
        """The loss of a batch and the factor that turns its gradient into the sum over the examples."""
        value = self._value(outputs, y)
        if self.mean is None and len(y) > 1:
            self._find_out(outputs, y, value)
        return value, float(len(y)) if self.mean in (None, True) else 1.0

    def _value(self, outputs: Any, y: Tensor) -> Tensor:  # noqa: ANN401
        value = self.loss(outputs, y)
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                "`loss` must return one number per batch, the mean or the sum over its examples. "
                f"Got {shape}: use reduction='mean'."
            )
        return value

    def _find_out(self, outputs: Any, y: Tensor, value: Tensor) -> None:  # noqa: ANN401
        """Whether doubling a half doubles its loss; then whether the halves give the whole."""
        m, half = len(y), len(y) // 2
        if not isinstance(outputs, Tensor) or len(outputs) != m:
            self.mean = getattr(self.loss, "reduction", "mean") == "mean"
            return
        with torch.no_grad():
            parts = [(outputs[:half], y[:half]), (outputs[half:], y[half:])]
            first, second = (self._value(*part) for part in parts)
            o, t = parts[0] if first.abs() >= second.abs() else parts[1]
            doubled, once = self._value(torch.cat([o, o]), torch.cat([t, t])), self._value(o, t)
        mean = bool((doubled - once).abs() <= (doubled - 2 * once).abs())
        guess = (half * first + (m - half) * second) / m if mean else first + second
        size = float(first.abs() + second.abs())
        if abs(float(guess) - float(value.detach())) <= 1e-4 * size + 1e-12 or not math.isfinite(size):
            self.mean = mean if math.isfinite(size) and size > 0 else None
            return
        if getattr(self.loss, "reduction", None) == "mean":
            raise InputError(
                "`loss` must weigh every example alike. Got a mean whose weights differ (class weights or "
                "ignored targets): use reduction='sum'."
            )
        raise InputError(
            "`loss` must be the mean or the sum over the examples of a batch, so that single examples have a "
            "gradient. Got a loss that does not follow from those of the batch's two halves."
        )
