"""The meter: coherence of the batches of an ordinary training loop."""

import math
from types import TracebackType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rote.errors import InputError
from rote.gradients._capture import Capture
from rote.gradients._finite import check_finite
from rote.gradients._record import Coherence, Statistics, single_step
from rote.gradients._settle import settle
from rote.gradients._sums import GradientSum, squared_norm

#: Norms ``[L, m]``, names and squared gradients of the parameters reached, and the factor of both.
Step = tuple[Tensor, tuple[str, ...], list[float], float]
KEPT_STEPS = 64
NO_BATCH = "`{}` needs at least one batch. Got none: call update() after loss.backward()."


def watch(
    model: nn.Module, *, accumulate: bool = False, reduction: Literal["mean", "sum"] = "mean"
) -> "Meter":
    """Watch a model's ordinary training loop: per-example statistics from the backward pass it makes anyway.

    Nothing about the model, its loss or its gradients changes. Call ``meter.update()`` after each
    ``loss.backward()`` and before the optimizer's step.

    Args:
        model: Any module called as a whole, inputs and outputs with the examples in their first dimension.
        accumulate: How several updates are joined. ``False``: each batch stands for itself, at the weights it
            met, and ``compute()`` pools the batches: ``Σ_t ‖S_t‖²`` over ``Σ_t m_t Q_t``. ``True``: all
            examples since the last ``reset()`` are one sample; right only while the weights do not move,
            and it takes one float64 copy of the parameters.
        reduction: Whether the loss is the mean or the sum over the batch. The ratios do not depend on it;
            ``squared_norms`` are of the gradients of single examples' losses.

    Returns:
        The meter; also a context manager that removes its hooks at the end.

    Raises:
        InputError: If nothing in the model can be trained. BatchNorm in training mode couples the examples
            and is refused at the forward pass, with the remedies named.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> with watch(model) as meter:
        ...     model(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).mean().backward()
        ...     meter.update()
        ...     meter.compute().m_coherence
        1.0
    """
    return Meter(model, accumulate=accumulate, reduction=reduction)


class Meter:
    """Statistics of a watched model; made by :func:`watch`.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> with watch(model) as meter:
        ...     model(torch.ones(3, 2)).mean().backward()
        ...     meter.update()
        ...     round(meter.compute().alpha, 5)  # three equal examples
        1.0
    """

    def __init__(self, model: nn.Module, *, accumulate: bool, reduction: Literal["mean", "sum"]) -> None:
        if reduction not in ("mean", "sum"):
            raise InputError(f"`reduction` must be 'mean' or 'sum', as the loss has it. Got {reduction!r}.")
        self._folded: Statistics | None = None
        self._last: Statistics | None = None
        self._reduction = reduction
        self._squared: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}
        self._repeated: str | None = None
        self._sum = GradientSum() if accumulate else None
        self._steps: list[Step] = []
        self._capture = Capture(model, self._on_gradient)
        self._capture.keep = True
        self._names = tuple(self._capture.layer_names())
        self._owners = self._capture.owners()

    def update(self) -> None:
        """Close this batch: call it after ``loss.backward()`` and before the optimizer's step.

        Raises:
            InputError: If no backward pass came, or two did; if a gradient is not finite (the layer and the
                example are named); or if a layer's examples cannot be told apart. The batch is then
                left out and the next one starts afresh.
        """
        capture = self._capture
        try:
            self._refuse_wrong_calls()
            norms = settle(capture, self._squared)
            squares = torch.stack(list(self._squared.values())).tolist()
            if not math.isfinite(sum(squares)):
                check_finite(norms, self._names, torch.arange(len(norms[0])))
            scale = float(len(norms[0])) if self._reduction == "mean" else 1.0
            if self._sum is not None:
                self._sum.scale = scale
                for name, gradient in self._gradients.items():
                    self._sum.add(name, gradient)
            self._steps.append((torch.stack(norms), tuple(self._squared), squares, scale**2))
            if self._sum is None and len(self._steps) >= KEPT_STEPS:
                self._fold()
            capture.keep = False
        finally:
            self._forget()

    def compute(self) -> Coherence:
        """Coherence of everything since the last ``reset()``, joined as ``accumulate`` says.

        Raises:
            InputError: If there was no ``update()`` yet.
        """
        if self._sum is not None and self._steps:
            matrix = np.concatenate([_numpy(norms) * factor for norms, _, _, factor in self._steps], axis=1)
            s2 = np.zeros(len(self._names))
            for name, index in self._owners.items():
                s2[index] += self._sum.squared(name)
            return single_step(self._names, s2, matrix.sum(1), matrix.sum(0)).coherence()
        statistics = self.statistics
        if statistics is None:
            raise InputError(NO_BATCH.format("compute()"))
        return statistics.coherence()

    @property
    def statistics(self) -> Statistics | None:
        """Additive sums over the batches since the last reset; ``None`` before the first."""
        if self._sum is None:
            self._fold()
        return self._folded

    @property
    def last(self) -> Coherence:
        """Coherence of the last batch alone, at the weights it met, with each example's squared norm."""
        if self._steps:
            return self._statistics_of(self._steps[-1]).coherence()
        if self._last is None:
            raise InputError(NO_BATCH.format("last"))
        return self._last.coherence()

    @property
    def coverage(self) -> dict[str, str]:
        """By layer, which way its norms are taken; final after the first update.

        ``"linear"``, ``"convolution"``, ``"norm"``, ``"embedding"``: closed form. ``"rerun per example"``:
        the layer is run again under ``torch.func``. ``"whole model rerun per example"``: so is the model,
        because the layer's parameters are used outside it or its examples are not in the first dimension.
        ``"frozen"``: nothing to measure.
        """
        counted = (unit for unit in self._capture.units if unit.counted)
        routes = {name: unit.route for name, unit in zip(self._names, counted, strict=True)}
        for name in self._capture.frozen:
            owner = name.rpartition(".")[0] or type(self._capture.model).__name__
            routes.setdefault(owner, "frozen")
        return routes

    def check(self) -> None:
        """Ask for the self-check, made on the first batch, to be made on the next one again."""
        self._capture.keep = True

    def reset(self) -> None:
        """Forget all batches; go on watching."""
        self._folded = self._last = None
        self._steps.clear()
        if self._sum is not None:
            self._sum = GradientSum()
        self._forget()

    def close(self) -> None:
        """Remove every hook from the model; what was measured stays readable."""
        self._capture.close()
        self._forget()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_gradient(self, name: str, gradient: Tensor) -> None:
        if name in self._squared:
            self._repeated = self._repeated or name
        self._squared[name] = squared_norm(gradient)
        if self._sum is not None:
            self._gradients[name] = gradient.detach()

    def _fold(self) -> None:
        """Add up the steps kept; done now and then, so that a step costs a few tensor operations only."""
        for step in self._steps:
            self._last = self._statistics_of(step)
            self._folded = self._last if self._folded is None else self._folded + self._last
        self._steps.clear()

    def _statistics_of(self, step: Step) -> Statistics:
        norms, names, squares, factor = step
        matrix = _numpy(norms) * factor
        s2 = np.zeros(len(self._names))
        for name, square in zip(names, squares, strict=True):
            s2[self._owners[name]] += square * factor
        return single_step(self._names, s2, matrix.sum(1), matrix.sum(0))

    def _refuse_wrong_calls(self) -> None:
        thawed = next((name for name, p in self._capture.frozen.items() if p.requires_grad), None)
        if thawed is not None:
            raise InputError(
                f"`model`: parameter `{thawed}` was frozen when watch(model) was called and is not now: "
                "close the meter and watch the model again."
            )
        if not self._squared:
            why = (
                "a forward pass but no backward pass"
                if any(unit.calls for unit in (self._capture.root, *self._capture.units))
                else "neither a forward nor a backward pass of the watched model"
            )
            raise InputError(f"`update()` must follow loss.backward(). Got {why} since the last update().")
        where = self._repeated or self._capture.twice
        if where is not None:
            raise InputError(
                f"`update()` must come after every backward pass. Got two backward passes through `{where}` "
                "since the last update(): add the losses up and call backward() once, or call update() after "
                "each."
            )

    def _forget(self) -> None:
        self._squared.clear()
        self._gradients.clear()
        self._repeated = None
        self._capture.clear()


def _numpy(norms: Tensor) -> NDArray[np.float64]:
    return norms.cpu().numpy().astype(np.float64)
